"""What a provider's error means: its status, headers and body as one of our errors.

A caller sees an upstream's own words only where the request is at fault, and then cleaned; see app.wire.redact.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from app.domain.errors import (
    ContentRefused,
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
from app.wire.redact import redact

_TOO_LONG = re.compile(
    r"(?i)maximum context length|context[_ ]length[_ ]exceeded|exceeds? (?:the )?(?:available )?context"
    r"|exceed_context_size|longer than the maximum model length|prompt is too long"
    r"|context (?:size|window) (?:is )?exceeded"
    r"|inputs?`? (?:tokens \+ `?max_new_tokens`? must be|must have less than)"
    r"|exceeds the maximum number of tokens|too large for model with \d+ maximum context"
)
_NO_MODEL = re.compile(r"(?i)model\b.{0,300}?(?:not found|does not exist|not exist|unknown|no such|not available)")
_POLICY = ("content_policy_violation", "content_filter", "moderation_blocked")
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "credits_exhausted")


class _Failure:
    """An error body, whatever its shape: OpenAI's, vLLM's older one, TGI's, FastAPI's, or plain text."""

    def __init__(self, value: object) -> None:
        inner = value.get("error", value) if isinstance(value, dict) else value
        fields: dict[str, Any] = inner if isinstance(inner, dict) else {"message": inner}
        self.message = _text(fields.get("message")) or _text(fields.get("detail")) or ""
        self.type = _text(fields.get("type")) or ""
        self.code = _text(fields.get("code")) or ""
        self.param = _text(fields.get("param"))

    @property
    def too_long(self) -> bool:
        words = (self.code, self.type, self.message)
        return any(_TOO_LONG.search(word) for word in words)

    @property
    def out_of_quota(self) -> bool:
        return self.code in _QUOTA or self.type in _QUOTA


def _text(value: object) -> str | None:
    """FastAPI's `detail` may be an array of objects with a `msg`."""
    if isinstance(value, str):
        return value[:4096]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _text(value[0].get("msg"))
    return None


def decode(status: int, headers: Mapping[str, str], body: bytes, provider: str) -> PlatformError:
    """The error to raise for an answer of `status` (not 2xx). `headers` by lower-case name."""
    return _classify(status, headers, _Failure(_parse(body)), provider)


def _parse(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def raise_error_object(value: object, provider: str | None) -> None:
    """Raises what `value`, a parsed answer or stream frame of status 200, says where it holds an error.

    OpenRouter and vLLM put the HTTP status into `code`.
    """
    if not isinstance(value, dict) or not value.get("error"):
        return
    inner = value["error"]
    code = inner.get("code") if isinstance(inner, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else 0
    raise _classify(status, {}, _Failure(value), provider or "The provider")


def _classify(status: int, headers: Mapping[str, str], failure: _Failure, provider: str) -> PlatformError:
    if status in {402, 429} or failure.out_of_quota:
        return _rate_limited(status, headers, failure, provider)
    if failure.too_long and status not in (401, 403):
        return ContextLengthExceeded(
            _words(failure, "The prompt does not fit the model's context."),
            code="context_length_exceeded",
            param=failure.param or "messages",
            provider=provider,
        )
    if status in (401, 403):
        return UpstreamAuthFailed(
            f"{provider} refused the platform's credential (status {status}).", provider=provider
        )
    if status in (408, 504):
        return UpstreamTimeout(f"{provider} took too long (status {status}).", provider=provider)
    if 400 <= status < 500:
        return _callers_fault(status, failure, provider)
    return _providers_fault(status, headers, provider)


def _rate_limited(
    status: int, headers: Mapping[str, str], failure: _Failure, provider: str
) -> UpstreamRateLimited:
    if failure.out_of_quota or status == 402:
        message = f"The platform's quota at {provider} is used up."
        return UpstreamRateLimited(message, code="insufficient_quota", provider=provider)
    message = f"{provider} is limiting the platform's requests; try again later."
    return UpstreamRateLimited(message, retry_after=retry_after(headers), provider=provider)


def _callers_fault(status: int, failure: _Failure, provider: str) -> PlatformError:
    if failure.code == "model_not_found" or (status == 404 and _NO_MODEL.search(failure.message)):
        message = _words(failure, f"{provider} does not have this model.")
        return ModelNotFound(message, code="model_not_found", param="model", provider=provider)
    if status in (404, 405):
        message = f"{provider} does not serve this kind of request (status {status})."
        return UnsupportedFeature(message, code="unsupported_endpoint", provider=provider)
    if status == 413:
        return PayloadTooLarge(_words(failure, f"The request is too large for {provider}."), provider=provider)
    if failure.code in _POLICY:
        message = _words(failure, f"The content policy of {provider} forbids this request.")
        return ContentRefused(message, code="content_policy_violation", provider=provider)
    message = _words(failure, f"{provider} refused the request (status {status}).")
    param = redact(failure.param, 100) if failure.param else None
    return InvalidRequest(message, code=_safe_code(failure.code), param=param, provider=provider)


def _providers_fault(status: int, headers: Mapping[str, str], provider: str) -> UpstreamError:
    if status in (502, 503, 529):
        message = f"{provider} is not available (status {status})."
        return UpstreamUnavailable(message, retry_after=retry_after(headers), provider=provider)
    if 0 < status < 400:
        return ProviderProtocolError(f"{provider} answered with status {status}.", provider=provider)
    message = f"{provider} failed (status {status})." if status else f"{provider} failed while it was answering."
    return UpstreamError(message, provider=provider)


def _words(failure: _Failure, otherwise: str) -> str:
    return redact(failure.message) or otherwise


def _safe_code(code: str) -> str | None:
    return code if re.fullmatch(r"[a-z][a-z0-9_.]{0,63}", code) and redact(code) == code else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until another try: from retry-after-ms, or Retry-After as seconds or an HTTP date.

    A date is counted from the answer's own Date header: no clock is read here, and the two clocks agree.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return seconds * unit
    until, now = _date(headers.get("retry-after", "")), _date(headers.get("date", ""))
    return max(0.0, until - now) if until is not None and now is not None else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,6})?\s*", text, re.ASCII) else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
