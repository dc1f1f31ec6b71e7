"""What Google's refusals mean: kinds, codes and waits; no word of a key, nor of a server that failed."""

import json
from typing import Any

import pytest

from app.domain import errors as domain
from app.domain.errors import InvalidRequest, UpstreamError
from app.integrations.model_platforms.gemini import errors
from tests.wire.cases import cases


def body_of(case: dict[str, Any]) -> bytes:
    if "text" in case:
        return case["text"].encode()
    body = {"error": case["error"]}
    return json.dumps([body] if case.get("listed") else body).encode()


@pytest.mark.parametrize("case", cases("gemini_upstream_errors"))
def test_error(case: dict[str, Any]) -> None:
    want = case["want"]
    error = errors.decode(
        case["status"], case.get("headers", {}), body_of(case), provider="gemini", model="gemini-2.5-pro"
    )
    assert type(error) is getattr(domain, want["kind"])
    assert (error.code, error.param) == (want.get("code"), want.get("param"))
    assert error.retry_after == want.get("retry_after")
    assert want.get("says", "") in error.message
    assert error.provider == "gemini"
    assert "canary" not in error.message.lower()
    assert isinstance(error, UpstreamError | InvalidRequest | domain.NotFound)


@pytest.mark.parametrize("case", [case for case in cases("gemini_upstream_errors") if "error" in case.values[0]])
def test_the_same_within_a_stream(case: dict[str, Any]) -> None:
    """There a frame has no status but its own code, and no headers."""
    failure = errors.read(body_of(case))
    assert failure is not None
    error = errors.classify(failure.code, failure, "gemini", "gemini-2.5-pro")
    assert type(error) is getattr(domain, case["want"]["kind"])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"error": "text"}', b"\xff", b"7"])
def test_what_is_no_error(body: bytes) -> None:
    assert errors.read(body) is None
