"""Ollama's refusals as domain errors. The server's own text is read for its meaning; a caller sees it, cleaned,
only where nothing else says what is wrong with the request.

Ollama answers with a status and {"error": "text"}; once a stream has begun, with a line of that shape. It has no
error codes, so the text is all there is: https://docs.ollama.com/api/errors
"""

from collections.abc import Callable, Mapping

import msgspec

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
from app.wire.openai_chat.upstream_errors import retry_after
from app.wire.redact import redact


class ErrorBody(msgspec.Struct):
    error: str


_Make = Callable[[str, str], PlatformError]


def context_length_exceeded(provider: str, model: str) -> ContextLengthExceeded:
    return ContextLengthExceeded(
        f"The prompt is longer than the context of '{model}'. Shorten it, or raise num_ctx in the settings of "
        f"'{provider}'.",
        code="context_length_exceeded",
        provider=provider,
    )


def model_not_found(provider: str, model: str) -> ModelNotFound:
    return ModelNotFound(
        f"'{provider}' has no model '{model}'. Pull it first, or see its list of models.",
        code="model_not_found",
        param="model",
        provider=provider,
    )


def _failed(provider: str, model: str) -> UpstreamError:
    work = f" while it worked on '{model}'" if model else ""
    return UpstreamError(f"'{provider}' failed{work}.", provider=provider)


def _unsupported(what: str) -> _Make:
    return lambda provider, model: UnsupportedFeature(
        f"The model '{model}' of '{provider}' does not support {what}.", param="model", provider=provider
    )


def _no_memory(provider: str, model: str) -> PlatformError:
    return UpstreamUnavailable(
        f"'{provider}' has too little memory to load '{model}'. A smaller num_ctx or model may fit.",
        provider=provider,
    )


def _busy(provider: str, _model: str) -> PlatformError:
    return UpstreamUnavailable(f"'{provider}' has too many requests waiting.", provider=provider, retry_after=1.0)


# The first row whose words stand in the text decides. Texts: server/routes.go, server/sched.go, server/images.go,
# llm/llama_server.go and runner/ of https://github.com/ollama/ollama, versions 0.12.6 to 0.33.
_MEANINGS: tuple[tuple[tuple[str, ...], _Make], ...] = (
    (
        (
            "longer than the context",
            "exceeds the context length",
            "exceeds the available context",
            "exceeds maximum context",
            "context size",
        ),
        context_length_exceeded,
    ),
    (("does not support chat", "does not support generate", "does not support completion"), _unsupported("text")),
    (("does not support tools",), _unsupported("tools")),
    (("does not support thinking",), _unsupported("reasoning")),
    (("does not support insert",), _unsupported("a suffix")),
    (("does not support embed",), _unsupported("embeddings")),
    (("does not support image", "image input", "missing data required for image"), _unsupported("images")),
    (("not found, try pulling it first", "file does not exist"), model_not_found),
    (("system memory", "out of memory", "insufficient memory", "cudamalloc failed"), _no_memory),
    (("maximum pending requests", "server busy"), _busy),
)


def from_text(text: str, *, provider: str, model: str) -> PlatformError:
    """What an {"error": text} line within a stream means."""
    return _by_meaning(text, provider, model) or _failed(provider, model)


def _by_meaning(text: str, provider: str, model: str) -> PlatformError | None:
    lowered = text.lower()
    for words, make in _MEANINGS:
        if any(word in lowered for word in words):
            return make(provider, model)
    return None


def decode(status: int, headers: Mapping[str, str], body: bytes, *, provider: str, model: str) -> PlatformError:
    """What an answer with any other `status` than success means. `headers`: lower-case names. The codes of
    refusals are those that kit.keys tells apart.
    """
    if status < 400:
        return ProviderProtocolError(
            f"'{provider}' answered with a status that Ollama has not.", provider=provider
        )
    text = _text(body)
    if status == 401:
        return UpstreamAuthFailed(f"'{provider}' refuses the platform's credential.", provider=provider)
    if status == 403:
        # Ollama's cloud wants a subscription for some models; any other server has no keys, but allowed origins.
        code = "model_not_allowed" if "subscription" in text else "not_permitted"
        return UpstreamAuthFailed(f"'{provider}' forbids the request.", code=code, provider=provider)
    if status == 429:
        return UpstreamRateLimited(
            f"'{provider}' refuses more requests for now.",
            code="insufficient_quota" if "usage limit" in text else None,
            provider=provider,
            retry_after=retry_after(headers),
        )
    return _by_meaning(text, provider, model) or _by_status(status, text, provider, model)


def _by_status(status: int, text: str, provider: str, model: str) -> PlatformError:
    """What a status without known words means: 502 to 504 come from a proxy, or from an Ollama that is full."""
    match status:
        case 404:
            return model_not_found(provider, model)
        case 413:
            return PayloadTooLarge(f"The request is too large for '{provider}'.", provider=provider)
        case 502 | 503:
            return UpstreamUnavailable(f"'{provider}' is not available.", provider=provider)
        case 504:
            return UpstreamTimeout(f"'{provider}' took too long.", provider=provider)
        case _ if 400 <= status < 500:
            fault = f": {redact(text, 200)}" if text else "."
            return InvalidRequest(
                f"'{provider}' does not accept this request for '{model}'{fault}", provider=provider
            )
        case _:
            return _failed(provider, model)


def _text(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=ErrorBody).error
    except msgspec.MsgspecError:
        return ""
