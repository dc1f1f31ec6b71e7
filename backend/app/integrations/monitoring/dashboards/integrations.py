"""Integrations: the parts of the platform, what they depend on, and what their trouble stops."""

from app.integrations.monitoring.dashboards.panels import Json, Panel, Query, Row, dashboard
from app.integrations.monitoring.dashboards.shared import INTEGRATION, PROVIDER, part, rate

_CHOSEN = 'integration=~"$integration"'
_OF = 'provider=~"$provider"'

_STATES = Row(
    "States",
    [
        Panel(
            kind="state-timeline",
            width=16,
            title="Serving",
            about="Whether each integration serves; degraded ones do, badly.",
            unit="short",
            names=[(0, "down", "red"), (1, "degraded", "yellow"), (2, "ready", "green")],
            queries=[
                Query(
                    f'2 * min by (integration) (llm_integration_state{{{_CHOSEN},state="ready"}}) '
                    f'+ min by (integration) (llm_integration_state{{{_CHOSEN},state="degraded"}})',
                    "{{integration}}",
                )
            ],
        ),
        Panel(
            kind="table",
            title="States",
            about="Each integration's, with the number of processes that see it so.",
            unit="short",
            columns=[("integration", "Integration"), ("type", "Type"), ("state", "State"), ("Value", "Processes")],
            queries=[Query(f"sum by (integration, type, state) (llm_integration_state{{{_CHOSEN}}}) > 0")],
        ),
    ],
)

_GRAPH = Row(
    "The graph",
    [
        Panel(
            kind="table",
            title="Dependencies",
            about="Who needs whom.",
            unit="short",
            columns=[("from", "Integration"), ("to", "Needs")],
            queries=[Query('max by (from, to) (llm_integration_dependency{from=~"$integration"})')],
        ),
        Panel(
            kind="table",
            title="Waiting",
            about="Integrations that wait for another, and which one at the root of it is down.",
            unit="short",
            columns=[("integration", "Integration"), ("cause", "Cause")],
            queries=[Query(f"max by (integration, cause) (llm_integration_blocked_by{{{_CHOSEN}}})")],
        ),
        Panel(
            kind="table",
            title="Models that can't be asked",
            about="And the integration that is the cause.",
            unit="short",
            columns=[("model", "Model"), ("cause", "Cause")],
            queries=[Query("max by (model, cause) (llm_model_unserved)")],
        ),
    ],
)

_PROVIDERS = Row(
    "Providers",
    [
        Panel(
            title="Requests to providers",
            about="By what came of them. Lost ones were sent beside another that answered first.",
            unit="reqps",
            queries=[
                Query(rate("llm_upstream_attempts_total", _OF, "provider, result"), "{{provider}} {{result}}")
            ],
        ),
        Panel(
            title="Failures by provider",
            about="Part of the requests to it that failed, whether or not another one stood in.",
            unit="percentunit",
            limits=[0.05, 0.1],
            queries=[
                Query(
                    part(
                        rate("llm_upstream_attempts_total", f'{_OF},result!~"ok|lost"', "provider"),
                        rate("llm_upstream_attempts_total", _OF, "provider"),
                    ),
                    "{{provider}}",
                )
            ],
        ),
        Panel(
            title="Retries, fallbacks, hedges",
            about="Further requests for one call.",
            unit="reqps",
            queries=[
                Query(
                    f"{rate('llm_upstream_repeats_total', _OF, 'provider, kind')} or vector(0)",
                    "{{provider}} {{kind}}",
                )
            ],
        ),
        Panel(
            width=12,
            title="Callers turned away for their key",
            about="Unknown, expired, revoked, or none at all.",
            unit="reqps",
            queries=[Query(f"{rate('llm_key_refusals_total', '', 'reason')} or vector(0)", "{{reason}}")],
        ),
        Panel(
            width=12,
            title="Circuit breakers that are open",
            about="Targets that failed too often and are left alone.",
            unit="short",
            limits=[1],
            queries=[
                Query(
                    f"count by (provider) (llm_circuit_breaker_state{{{_OF}}} == 2) or vector(0)", "{{provider}}"
                )
            ],
        ),
    ],
)


def made() -> Json:
    return dashboard(
        "llm-integrations",
        "Integrations",
        "The parts of the platform, what they depend on, and what their trouble stops.",
        [INTEGRATION, PROVIDER],
        [_STATES, _GRAPH, _PROVIDERS],
    )
