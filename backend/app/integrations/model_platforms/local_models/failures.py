"""What llama.cpp says when it will not, in the platform's words. Only its remarks on the request are passed on."""

import re
from typing import Any

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    PlatformError,
    UnsupportedFeature,
    UpstreamUnavailable,
)

_LONGEST = 300
_NOISE = re.compile(r"\s*\[json\.exception\.[^\]]*\]\s*|\s+")
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is (?:too large to process|larger than the max context size)")
_MISSING = re.compile(r"^'(\w+)' is required|key '(\w+)' not found")


def from_exception(error: BaseException, *, provider: str, model: str) -> PlatformError:
    """llama.cpp throws for a request that it cannot read; the rest is a failure of the runtime."""
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, (ValueError, RuntimeError, TypeError, IndexError)):
        return _refusal(str(error))
    return _failure(provider, model)


def from_answer(error: Any, *, provider: str, model: str, window: int) -> PlatformError:
    """The object under "error". `window`: tokens that one request may take."""
    if not isinstance(error, dict):
        return _failure(provider, model)
    message, kind = str(error.get("message", "")), error.get("type")
    if kind == "exceed_context_size_error":
        return _too_long(error.get("n_prompt_tokens"), error.get("n_ctx"))
    too_large = _TOO_LARGE.search(message)
    if too_large:
        return _too_long(too_large[1], window)
    if kind == "invalid_request_error":
        return _refusal(message)
    if kind == "not_supported_error":
        return UnsupportedFeature(_clean(message))
    return _failure(provider, model)


def _too_long(prompt: object, window: object) -> ContextLengthExceeded:
    return ContextLengthExceeded(
        f"This model's context holds {window} tokens, and the prompt has {prompt}. Shorten the prompt.",
        code="context_length_exceeded",
        param="messages",
    )


def _refusal(message: str) -> InvalidRequest:
    missing = _MISSING.search(message)
    if missing:
        field = missing[1] or missing[2]
        return InvalidRequest(f"'{field}' is required.", param=field)
    named = re.match(r"^(?:Field|Expected) '(\w+)'", message)
    return InvalidRequest(_clean(message) or "The request makes no sense.", param=named[1] if named else None)


def _failure(provider: str, model: str) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"The local model '{model}' failed to answer.", provider=provider)


def _clean(message: str) -> str:
    flat = _NOISE.sub(" ", message).strip()
    visible = "".join(char for char in flat if char.isprintable())
    return visible if len(visible) <= _LONGEST else visible[:_LONGEST] + "…"
