"""Errors as the OpenAI dialect has them, in the words of outcome.py."""

from typing import Any

from tests.contract.parity.outcome import Fault

# By code, else by type. The status, where there is one, must say the same.
WORDS = {
    "context_length_exceeded": "too_long",
    "invalid_api_key": "unauthenticated",
    "model_not_found": "not_found",
    "rate_limit_exceeded": "rate_limited",
    "insufficient_quota": "rate_limited",
    "upstream_timeout": "timeout",
    "invalid_request_error": "invalid",
    "server_error": "server",
}
STATUS = {
    "too_long": {400},
    "unauthenticated": {401},
    "not_found": {404},
    "rate_limited": {429},
    "timeout": {504},
    "invalid": {400},
    "server": {500, 502, 503},
}


def fault(status: int, body: Any, retry_after: float | None) -> Fault:
    found = under_way(body["error"], retry_after)
    assert status in STATUS[found.word], (status, body)
    return found


def under_way(error: dict[str, Any], retry_after: float | None = None) -> Fault:
    """The same where a stream has begun, and no status can be told any more."""
    return Fault(WORDS.get(error["code"] or "") or WORDS[error["type"]], retry_after)
