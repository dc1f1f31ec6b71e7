"""Errors of the Anthropic format: ours as bodies, a provider's as ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain import errors as domain
from app.domain.errors import ErrorKind, PlatformError
from app.wire.anthropic_messages import errors
from tests.wire.cases import cases


def _classes(root: type[PlatformError]) -> Iterator[type[PlatformError]]:
    for child in root.__subclasses__():
        if child.__module__ == domain.__name__:
            yield child
            yield from _classes(child)


_WANT = {
    "InvalidRequest": (400, "invalid_request_error"),
    "ContextLengthExceeded": (400, "invalid_request_error"),
    "ContentRefused": (400, "invalid_request_error"),
    "UnsupportedFeature": (400, "invalid_request_error"),
    "IdempotencyKeyReused": (422, "invalid_request_error"),
    "PayloadTooLarge": (413, "request_too_large"),
    "Unauthenticated": (401, "authentication_error"),
    "PermissionDenied": (403, "permission_error"),
    "NotFound": (404, "not_found_error"),
    "ModelNotFound": (404, "not_found_error"),
    "Conflict": (409, "conflict_error"),
    "RateLimited": (429, "rate_limit_error"),
    "BudgetExceeded": (400, "billing_error"),
    "Overloaded": (529, "overloaded_error"),
    "Unavailable": (529, "overloaded_error"),
    "DeadlineExceeded": (504, "timeout_error"),
    "Cancelled": (499, "invalid_request_error"),
    "UpstreamError": (500, "api_error"),
    "UpstreamUnavailable": (529, "overloaded_error"),
    "ConnectionFailed": (529, "overloaded_error"),
    "ConnectionRefused": (529, "overloaded_error"),
    "UpstreamTimeout": (504, "timeout_error"),
    "UpstreamRateLimited": (529, "overloaded_error"),
    "UpstreamAuthFailed": (500, "api_error"),
    "ProviderProtocolError": (500, "api_error"),
    "InternalError": (500, "api_error"),
}


@pytest.mark.parametrize("cls", list(_classes(PlatformError)), ids=lambda cls: cls.__name__)
def test_every_error_has_its_body(cls: type[PlatformError]) -> None:
    status, body = errors.encode(cls("What to change."))
    value = json.loads(body)
    assert (status, value["error"]["type"]) == _WANT[cls.__name__]
    assert value["error"]["message"].endswith("What to change.")
    assert (set(value), set(value["error"])) == ({"type", "error"}, {"type", "message"})


def test_every_kind_has_a_shape() -> None:
    assert set(errors.BY_KIND) == set(ErrorKind)
    assert all(400 <= shape.status < 600 for shape in errors.BY_KIND.values())


@pytest.mark.parametrize("message", ["a } b", "\ud800", '"}}\n\n'])
def test_the_requests_id_stands_in_bodies_and_in_frames(message: str) -> None:
    error = domain.Overloaded(message)
    body = errors.with_request_id(errors.encode(error)[1], "req-1")
    frame = errors.with_request_id(errors.frame(error), "req-1")
    assert json.loads(body)["request_id"] == "req-1"
    assert frame == b"event: error\ndata: " + body + b"\n\n"
    assert list(json.loads(body)) == ["type", "error", "request_id"]


@pytest.mark.parametrize("case", cases("anthropic_upstream_errors"))
def test_a_providers_error(case: dict[str, Any]) -> None:
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    error = errors.decode(case["status"], case.get("headers", {}), body.encode(), "acme")
    want = case["want"]
    assert type(error).__name__ == want["class"]
    assert (error.code, error.param, error.provider) == (want.get("code"), want.get("param"), "acme")
    assert error.retry_after == want.get("retry_after")
    assert error.message == want["message"]


@pytest.mark.parametrize("case", [case for case in cases("anthropic_upstream_errors") if "html" not in str(case)])
def test_an_error_in_the_midst_of_an_answer_is_the_same(case: dict[str, Any]) -> None:
    if not isinstance(case["body"], dict):
        return
    with pytest.raises(PlatformError) as caught:
        errors.raise_error_object(case["body"], "acme")
    found, want = type(caught.value).__name__, case["want"]["class"]
    assert found == want


@pytest.mark.parametrize(
    "value", [{"type": "error"}, {"type": "error", "error": "boom"}, {"type": "error", "error": {}}]
)
def test_an_error_that_says_nothing_is_one_all_the_same(value: dict[str, Any]) -> None:
    with pytest.raises(domain.UpstreamError) as caught:
        errors.raise_error_object(value, None)
    assert "boom" not in caught.value.message


@pytest.mark.parametrize("value", [None, [], "error", {}, {"type": "message"}, {"error": "x"}])
def test_what_is_no_error_is_passed_over(value: object) -> None:
    errors.raise_error_object(value, None)
