"""Errors of the OpenAI formats: ours as bodies, a provider's as ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain import errors as domain
from app.domain.errors import ErrorKind, PlatformError
from app.wire.openai_chat import errors
from tests.wire.cases import cases


def _classes(root: type[PlatformError]) -> Iterator[type[PlatformError]]:
    for child in root.__subclasses__():
        if child.__module__ == domain.__name__:
            yield child
            yield from _classes(child)


_WANT = {
    "InvalidRequest": (400, "invalid_request_error", None, None),
    "ContextLengthExceeded": (400, "invalid_request_error", "context_length_exceeded", None),
    "ContentRefused": (400, "invalid_request_error", "content_policy_violation", None),
    "UnsupportedFeature": (400, "invalid_request_error", "unsupported_feature", None),
    "IdempotencyKeyReused": (422, "invalid_request_error", "idempotency_key_reused", None),
    "PayloadTooLarge": (413, "invalid_request_error", "request_too_large", None),
    "Unauthenticated": (401, "invalid_request_error", "invalid_api_key", None),
    "PermissionDenied": (403, "invalid_request_error", "permission_denied", None),
    "NotFound": (404, "invalid_request_error", "not_found", None),
    "ModelNotFound": (404, "invalid_request_error", "model_not_found", "model"),
    "Conflict": (409, "invalid_request_error", "conflict", None),
    "RateLimited": (429, "rate_limit_exceeded", "rate_limit_exceeded", None),
    "BudgetExceeded": (429, "insufficient_quota", "insufficient_quota", None),
    "Overloaded": (503, "server_error", "overloaded", None),
    "Unavailable": (503, "server_error", "unavailable", None),
    "DeadlineExceeded": (504, "server_error", "timeout", None),
    "Cancelled": (499, "invalid_request_error", "request_cancelled", None),
    "UpstreamError": (502, "server_error", "upstream_error", None),
    "UpstreamUnavailable": (503, "server_error", "upstream_unavailable", None),
    "ConnectionFailed": (503, "server_error", "upstream_unavailable", None),
    "ConnectionRefused": (503, "server_error", "upstream_unavailable", None),
    "UpstreamTimeout": (504, "server_error", "upstream_timeout", None),
    "UpstreamRateLimited": (503, "server_error", "upstream_rate_limited", None),
    "UpstreamAuthFailed": (502, "server_error", "upstream_auth_failed", None),
    "ProviderProtocolError": (502, "server_error", "upstream_protocol_error", None),
    "InternalError": (500, "server_error", "internal_error", None),
}


@pytest.mark.parametrize("cls", list(_classes(PlatformError)), ids=lambda cls: cls.__name__)
def test_every_error_has_its_body(cls: type[PlatformError]) -> None:
    status, body = errors.encode(cls("What to change."))
    error = json.loads(body)["error"]
    assert (status, error["type"], error["code"], error["param"]) == _WANT[cls.__name__]
    assert error["message"] == "What to change."


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_has_a_shape(kind: ErrorKind) -> None:
    class Unheard(PlatformError):
        pass

    Unheard.kind = kind
    status, body = errors.encode(Unheard("x", code="own_code", param="own_param"))
    assert 400 <= status < 600
    assert json.loads(body)["error"]["code"] == "own_code"
    assert json.loads(body)["error"]["param"] == "own_param"


def test_a_message_that_is_not_text_can_be_sent() -> None:
    assert json.loads(errors.encode(domain.InvalidRequest("a\ud800b"))[1])["error"]["message"] == "a?b"


@pytest.mark.parametrize("case", cases("openai_upstream_errors"))
def test_a_providers_error(case: dict[str, Any]) -> None:
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    error = errors.decode(case["status"], case.get("headers", {}), body.encode(), "acme")
    want = case["want"]
    assert type(error).__name__ == want["class"]
    assert error.provider == "acme"
    assert (error.code, error.param) == (want.get("code"), want.get("param"))
    assert error.retry_after == (None if "retry_after" not in want else pytest.approx(want["retry_after"]))
    assert error.message == want["message"]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-ant-api03-xyzXYZ_123",
        "Bearer abc.def.ghi",
        "AIzaSyA1234567890abcdefghij",
        "gsk_abcdef123456",
        "nvapi-abcdef-123456",
        "hf_abcdefABCDEF",
        "xai-abcdef123",
        "api_key=hunter2hunter2",
        "Authorization: hunter2hunter2",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "0123456789abcdef0123456789abcdef",
        "sk-abc***********xyz",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "Incorrect key: {}.", "a '{}' b", "(key {})", "x" * 450 + " {}"])
def test_a_key_is_never_shown(secret: str, frame: str) -> None:
    body = json.dumps({"error": {"message": frame.format(secret), "param": secret, "code": secret}}).encode()
    for status in (400, 404, 422, 413, 418):
        error = errors.decode(status, {}, body, "acme")
        shown = f"{error.message} {error.param} {error.code}"
        assert "[redacted]" in error.message or "acme" in error.message
        assert secret[-6:].strip(".") not in shown


def test_a_long_message_is_cut_and_lines_are_joined() -> None:
    body = json.dumps({"error": {"message": "line\r\n\x00\x1b[31mred " + "word " * 500}}).encode()
    message = errors.decode(400, {}, body, "acme").message
    assert len(message) == 500
    assert message.isprintable()


@pytest.mark.parametrize("status", [401, 403, 429, 402, 408, 500, 502, 503, 504, 529, 302])
def test_an_upstreams_words_are_not_shown(status: int) -> None:
    error = errors.decode(status, {}, b'{"error":{"message":"db at 10.0.0.7 is down"}}', "acme")
    assert "10.0.0.7" not in error.message
    assert "acme" in error.message
