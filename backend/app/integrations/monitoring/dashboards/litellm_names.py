"""Recording rules that give what the platform counts LiteLLM's names too, for dashboards made for its proxy.

Names and labels are those of its documentation: https://docs.litellm.ai/docs/proxy/prometheus. Labels for which
the platform has nothing (hashed_api_key, user, model_id) are left out.
"""

from collections.abc import Iterator, Mapping

HEAD = """\
# LiteLLM's names for what the platform counts, so that dashboards made for its proxy go on working: counters in
# both spellings, with the _total that newer versions append and without.
# Made by python -m app.integrations.monitoring.dashboards
groups:
  - name: litellm-names
    rules:
"""

_STATUS_CODES = {
    "ok": 200,
    "invalid_argument|out_of_range|unimplemented": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "already_exists|aborted": 409,
    "resource_exhausted": 429,
    "cancelled": 499,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
_MODEL = {"model": "model", "requested_model": "model"}
_GEN_AI = {"model": "gen_ai_request_model", "requested_model": "gen_ai_original_model"}
_DEPLOYMENT = {"api_provider": "provider"}


def text() -> str:
    return HEAD + "".join(
        f"      - record: {name}\n        expr: >-\n          {expr}\n" for name, expr in rules()
    )


def rules() -> Iterator[tuple[str, str]]:
    """Each name, and where its value comes from."""
    for name, expr in _counters().items():
        yield name, expr
        yield f"{name}_total", expr
    for name, (histogram, labels) in _HISTOGRAMS.items():
        for part, by in (("bucket", ("le",)), ("sum", ()), ("count", ())):
            yield f"{name}_{part}", _renamed(f"{histogram}_{part}", labels, *by)
    yield "litellm_deployment_state", _renamed("llm_circuit_breaker_state", _DEPLOYED, whole="max")
    yield "litellm_in_flight_requests", _renamed("llm_active_requests", {})


_HISTOGRAMS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "litellm_request_total_latency_metric": ("llm_request_duration_seconds", _MODEL),
    "litellm_llm_api_latency_metric": ("gen_ai_server_request_duration_seconds", _GEN_AI),
    "litellm_llm_api_time_to_first_token_metric": ("gen_ai_server_time_to_first_token_seconds", _GEN_AI),
}
_DEPLOYED = {**_DEPLOYMENT, "litellm_model_name": "model"}


def _counters() -> Mapping[str, str]:
    tenant = {**_MODEL, "team": "tenant"}
    requests, errors = (_with_status(metric, label) for metric, label in _WITH_STATUS)
    tokens = {kind: f'llm_tokens_total{{type=~"{kind}"}}' for kind in ("input|output", "input", "output")}
    return {
        "litellm_proxy_total_requests_metric": _renamed(requests, {**tenant, "status_code": "status_code"}),
        "litellm_proxy_failed_requests_metric": _renamed(
            errors, {**_MODEL, "exception_class": "error_type", "exception_status": "status_code"}
        ),
        "litellm_requests_metric": _renamed("llm_requests_total", tenant),
        "litellm_spend_metric": _renamed("llm_cost_total", {**tenant, **_DEPLOYMENT}),
        "litellm_total_tokens": _renamed(tokens["input|output"], tenant),
        "litellm_total_tokens_metric": _renamed(tokens["input|output"], tenant),
        "litellm_input_tokens_metric": _renamed(tokens["input"], tenant),
        "litellm_output_tokens_metric": _renamed(tokens["output"], tenant),
        "litellm_deployment_total_requests": _renamed("llm_upstream_attempts_total", _DEPLOYMENT),
        "litellm_deployment_success_responses": _renamed(
            'llm_upstream_attempts_total{result=~"ok|lost"}', _DEPLOYMENT
        ),
        "litellm_deployment_failure_responses": _renamed(
            'llm_upstream_attempts_total{result!~"ok|lost"}', _DEPLOYMENT
        ),
    }


_WITH_STATUS = (("llm_requests_total", "status"), ("llm_errors_total", "error_type"))


def _with_status(metric: str, label: str) -> str:
    found = f'label_replace({metric}, "status_code", "500", "{label}", ".*")'
    for kinds, code in _STATUS_CODES.items():
        found = f'label_replace({found}, "status_code", "{code}", "{label}", "{kinds}")'
    return found


def _renamed(expr: str, labels: Mapping[str, str], *kept: str, whole: str = "sum") -> str:
    """`labels`: what each is called here, by what it is called there."""
    for new, old in labels.items():
        if new != old:
            expr = f'label_replace({expr}, "{new}", "$1", "{old}", "(.*)")'
    return f"{whole} by ({', '.join((*labels, *kept, 'job', 'instance'))}) ({expr})"
