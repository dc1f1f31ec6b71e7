"""LLM Platform Overview: how is it, at a glance."""

from app.integrations.monitoring.dashboards.panels import Json, Panel, Query, Row, dashboard
from app.integrations.monitoring.dashboards.shared import (
    MODEL,
    OF,
    OF_TENANT,
    PROVIDER,
    TENANT,
    part,
    quantile,
    rate,
)

_FAILED = rate("llm_errors_total", f'{OF},fault="platform"')
_ALL = rate("llm_requests_total", OF)

_NOW = Row(
    "Now",
    [
        Panel(
            kind="stat",
            width=4,
            title="Requests",
            about="Calls that end in a second.",
            unit="reqps",
            queries=[Query(rate("llm_requests_total", OF_TENANT))],
        ),
        Panel(
            kind="stat",
            width=4,
            title="Error rate",
            about="Calls that failed by the platform's or a provider's fault, not the caller's or a limit's.",
            unit="percentunit",
            limits=[0.05, 0.1],
            queries=[Query(part(_FAILED, _ALL))],
        ),
        Panel(
            kind="stat",
            width=4,
            title="p95 latency",
            about="Of whole answers.",
            unit="s",
            limits=[5, 10],
            queries=[Query(quantile(0.95, "llm_request_duration_seconds", OF))],
        ),
        Panel(
            kind="stat",
            width=4,
            title="Under way",
            about="Calls that have begun and not ended.",
            unit="short",
            queries=[Query("sum(llm_active_requests)")],
        ),
        Panel(
            kind="stat",
            width=4,
            title="Models",
            about="Models that can be asked now.",
            unit="short",
            limits=[1],
            falling=True,
            queries=[Query("sum(max by (provider) (llm_active_models))")],
        ),
        Panel(
            kind="stat",
            width=4,
            title="Integrations down",
            about="Those that should serve and do not.",
            unit="short",
            limits=[1],
            queries=[
                Query(
                    "count(max by (integration) "
                    '(llm_integration_state{state=~"failed|retrying|blocked"}) > 0) or vector(0)'
                )
            ],
        ),
    ],
)

_TRAFFIC = Row(
    "Traffic",
    [
        Panel(
            title="Requests by model",
            about="A name that the catalogue does not have is other.",
            unit="reqps",
            stacked=True,
            queries=[Query(rate("llm_requests_total", OF_TENANT, "model"), "{{model}}")],
        ),
        Panel(
            title="Requests by front-end",
            about="Over which protocol they came.",
            unit="reqps",
            stacked=True,
            queries=[Query(rate("llm_requests_total", OF_TENANT, "front_end"), "{{front_end}}")],
        ),
        Panel(
            title="Tokens",
            about="Input includes what was cached, output what was reasoned.",
            unit="short",
            queries=[Query(rate("llm_tokens_total", OF_TENANT, "type"), "{{type}} a second")],
        ),
    ],
)

_TROUBLE = Row(
    "Trouble",
    [
        Panel(
            title="Errors by kind",
            about="All errors, callers' own too.",
            unit="reqps",
            queries=[Query(rate("llm_errors_total", OF, "error_type, fault"), "{{error_type}} ({{fault}})")],
        ),
        Panel(
            title="Latency",
            about="From the arrival of a call to the end of its answer.",
            unit="s",
            limits=[10],
            queries=[
                Query(quantile(share, "llm_request_duration_seconds", OF), f"p{share * 100:g}")
                for share in (0.5, 0.95, 0.99)
            ],
        ),
        Panel(
            title="Refusals",
            about="Calls refused for a limit, a budget, a full queue or a right.",
            unit="reqps",
            queries=[Query(f"{rate('llm_refusals_total', '', 'reason')} or vector(0)", "{{reason}}")],
        ),
    ],
)


def made() -> Json:
    return dashboard(
        "llm-overview",
        "LLM Platform Overview",
        "What is asked, what fails, how long it takes and what it costs.",
        [MODEL, PROVIDER, TENANT],
        [_NOW, _TRAFFIC, _TROUBLE],
    )
