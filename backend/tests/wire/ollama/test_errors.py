"""What Ollama's refusals mean. The texts are the server's own; none of them may come out again."""

import json

import pytest

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.integrations.model_platforms.ollama.errors import decode, from_text

LLAMA_SERVER = json.dumps(
    {
        "error": {
            "code": 400,
            "message": "request (3002 tokens) exceeds the available context size (1024 tokens), try increasing it",
            "type": "exceed_context_size_error",
        }
    }
)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (404, "model 'x' not found", ModelNotFound),
        (404, 'model "x" not found, try pulling it first', ModelNotFound),
        (500, "pull model manifest: file does not exist", ModelNotFound),
        (400, LLAMA_SERVER, ContextLengthExceeded),
        (400, "the prompt is longer than the context length currently available to", ContextLengthExceeded),
        (400, "the input length exceeds the context length", ContextLengthExceeded),
        (400, "input after truncation exceeds maximum context length", ContextLengthExceeded),
        (400, '"x" does not support chat', UnsupportedFeature),
        (400, '"x" does not support generate', UnsupportedFeature),
        (400, '"x" does not support thinking', UnsupportedFeature),
        (400, "registry.ollama.ai/library/x:latest does not support tools", UnsupportedFeature),
        (400, "x does not support insert", UnsupportedFeature),
        (401, "unauthorized", UpstreamAuthFailed),
        (403, "", UpstreamAuthFailed),
        (413, "", PayloadTooLarge),
        (429, "too many", UpstreamRateLimited),
        (500, "model requires more system memory (9 GiB) than is available (8 GiB)", UpstreamUnavailable),
        (500, "llama runner process has terminated: exit status 2", UpstreamError),
        (503, "server busy, please try again.  maximum pending requests exceeded", UpstreamUnavailable),
        (502, "", UpstreamUnavailable),
        (504, "", UpstreamTimeout),
        (301, "", ProviderProtocolError),
    ],
)
def test_decode(status: int, text: str, kind: type[PlatformError]) -> None:
    error = decode(status, {}, json.dumps({"error": text}).encode(), provider="ollama", model="m")
    assert type(error) is kind
    assert error.provider == "ollama"
    assert not text or text not in error.message


@pytest.mark.parametrize("body", [b"", b"404 page not found", b'{"error": 7}', b"\xff", b"<html>"])
def test_any_body_will_do(body: bytes) -> None:
    error = decode(500, {}, body, provider="ollama", model="m")
    assert type(error) is UpstreamError
    assert error.message == "'ollama' failed while it worked on 'm'."


def test_the_caller_learns_what_is_wrong_with_the_request() -> None:
    text = 'option "seed" must be of type integer\nBearer abcdefgh'
    error = decode(400, {}, json.dumps({"error": text}).encode(), provider="ollama", model="m")
    assert type(error) is InvalidRequest
    assert error.message == (
        "'ollama' does not accept this request for 'm': option \"seed\" must be of type integer [redacted]"
    )
    assert (
        decode(400, {}, b"", provider="ollama", model="m").message
        == "'ollama' does not accept this request for 'm'."
    )


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct", None), ("-3", None)])
def test_retry_after(value: str, seconds: float | None) -> None:
    error = decode(429, {"retry-after": value}, b"", provider="ollama", model="m")
    assert error.retry_after == seconds


SUBSCRIPTION = "this model requires a subscription, upgrade for access: https://ollama.com/upgrade"


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (401, "unauthorized", None),
        (403, SUBSCRIPTION, "model_not_allowed"),
        (403, "", "not_permitted"),
        (429, "you (x) have reached your session usage limit, upgrade for higher limits", "insufficient_quota"),
        (429, "too many concurrent requests", None),
    ],
)
def test_what_is_refused_and_what_a_key_has_to_do_with_it(status: int, text: str, code: str | None) -> None:
    error = decode(status, {}, json.dumps({"error": text}).encode(), provider="ollama", model="m")
    assert error.code == code


def test_model_not_found_says_what_to_do() -> None:
    error = decode(404, {}, b"", provider="ollama", model="m")
    assert (error.code, error.param) == ("model_not_found", "model")
    assert "Pull it" in error.message


def test_context_length_exceeded_has_its_code() -> None:
    error = from_text("the input length exceeds the context length", provider="ollama", model="m")
    assert error.code == "context_length_exceeded"
    assert "num_ctx" in error.message
