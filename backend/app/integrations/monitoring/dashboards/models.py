"""Model Performance: how fast and how well each model answers."""

from app.integrations.monitoring.dashboards.panels import Json, Panel, Query, Row, dashboard
from app.integrations.monitoring.dashboards.shared import GEN_AI, MODEL, OF, PROVIDER, part, quantile, rate

_MODEL = "gen_ai_original_model"
_FIRST = "gen_ai_server_time_to_first_token_seconds"
_EACH = "gen_ai_server_time_per_output_token_seconds"
_BREAKER = [(0, "closed", "green"), (1, "half open", "yellow"), (2, "open", "red")]

_SPEED = Row(
    "Speed",
    [
        Panel(
            title="Time to first token, p95",
            about="Of answers that stream.",
            unit="s",
            queries=[Query(quantile(0.95, _FIRST, GEN_AI, _MODEL), "{{gen_ai_original_model}}")],
        ),
        Panel(
            title="Time per output token, p95",
            about="After the first one.",
            unit="s",
            queries=[Query(quantile(0.95, _EACH, GEN_AI, _MODEL), "{{gen_ai_original_model}}")],
        ),
        Panel(
            title="Whole answers, p95",
            about="From the arrival of a call to the end of its answer.",
            unit="s",
            limits=[10],
            queries=[Query(quantile(0.95, "llm_request_duration_seconds", OF, "model"), "{{model}}")],
        ),
        Panel(
            kind="heatmap",
            width=12,
            title="Durations",
            about="How many calls took how long.",
            unit="s",
            queries=[Query(rate("llm_request_duration_seconds_bucket", OF, "le"), "{{le}}")],
        ),
        Panel(
            width=12,
            title="Output tokens",
            about="Written in a second, by model.",
            unit="short",
            queries=[Query(rate("llm_tokens_total", f'{OF},type="output"', "model"), "{{model}}")],
        ),
    ],
)

_QUALITY = Row(
    "Answers",
    [
        Panel(
            title="Error rate by model",
            about="Failed by the platform's or a provider's fault.",
            unit="percentunit",
            limits=[0.05, 0.1],
            queries=[
                Query(
                    part(
                        rate("llm_errors_total", f'{OF},fault="platform"', "model"),
                        rate("llm_requests_total", OF, "model"),
                    ),
                    "{{model}}",
                )
            ],
        ),
        Panel(
            title="Answers from the cache",
            about="Calls that no provider was asked for.",
            unit="reqps",
            queries=[
                Query(f"{rate('llm_cached_answers_total', '', 'model, kind')} or vector(0)", "{{model}} {{kind}}")
            ],
        ),
        Panel(
            kind="state-timeline",
            title="Circuit breakers",
            about="Of each target that was asked. An open one is left alone.",
            unit="short",
            names=_BREAKER,
            queries=[
                Query(f"max by (provider, model) (llm_circuit_breaker_state{{{OF}}})", "{{provider}}/{{model}}")
            ],
        ),
    ],
)

_QUEUES = Row(
    "Queues and memory",
    [
        Panel(
            title="Calls in line",
            about="For a place at a target that has few.",
            unit="short",
            queries=[Query(f"sum by (provider, model) (llm_queue_depth{{{OF}}})", "{{provider}}/{{model}}")],
        ),
        Panel(
            title="Time in line, p95",
            about="Of calls that had to wait.",
            unit="s",
            queries=[
                Query(
                    quantile(0.95, "llm_queue_wait_seconds", 'provider=~"$provider"', "provider"), "{{provider}}"
                )
            ],
        ),
        Panel(
            title="Models loaded and unloaded",
            about="Into memory and out of it; failed ones could not be loaded.",
            unit="short",
            queries=[
                Query(
                    "sum by (model, result) (increase(llm_model_loads_total[$__rate_interval]))",
                    "{{model}} {{result}}",
                )
            ],
        ),
    ],
)


def made() -> Json:
    return dashboard(
        "llm-models",
        "Model Performance",
        "How fast and how well each model answers.",
        [MODEL, PROVIDER],
        [_SPEED, _QUALITY, _QUEUES],
    )
