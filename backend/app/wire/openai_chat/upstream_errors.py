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
# One request is more than the account may ask for in a minute, so that no wait helps.
_TOO_MUCH = re.compile(r"(?i)request too large")

# What a 403 is about, by the first pattern that its words match. Where none does it is not the credential: a
# firewall before the server says no, too. https://openrouter.ai/docs/api/reference/errors-and-debugging
# https://platform.openai.com/docs/guides/error-codes https://docs.together.ai/docs/error-codes
_FORBIDDEN = {
    "content": re.compile(r"(?i)moderat|input was flagged|content[ _](?:policy|filter)|usage polic"),
    "region": re.compile(r"(?i)country|region|territory|your location"),
    "quota": re.compile(r"(?i)\bcredits?\b|\bquota\b|\bbilling\b|\bbalance\b|\b(?:key|spend\w*|usage) limit"),
    "model": re.compile(r"(?i)\bmodels?\b|model_|\bresource\b|permissions?_error"),
    "credential": re.compile(
        r"(?i)\bkey\b|api_?key|credential|authenti|authoriz|\baccount\b|leaked|revoked|expired|suspended|disabled"
    ),
}


class _Failure:
    """An error body, whatever its shape: OpenAI's, vLLM's older one, TGI's, FastAPI's, or plain text."""

    def __init__(self, value: object) -> None:
        inner = value.get("error", value) if isinstance(value, dict) else value
        fields: dict[str, Any] = inner if isinstance(inner, dict) else {"message": inner}
        # Mistral has FastAPI's details within the message.
        told = fields.get("message") or fields.get("detail")
        told = told.get("detail") if isinstance(told, dict) else told
        self.message = _text(told) or ""
        self.type = _text(fields.get("type")) or ""
        self.code = _text(fields.get("code")) or ""
        self.param = _text(fields.get("param")) or _place(told)

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


def _place(details: object) -> str | None:
    """The field that FastAPI's first detail is about."""
    first = details[0] if isinstance(details, list) and details else None
    steps = first.get("loc") if isinstance(first, dict) else None
    return ".".join(map(str, steps[1:6])) or None if isinstance(steps, list) else None


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
    if failure.too_long and status != 401:
        return ContextLengthExceeded(
            _words(failure, "The prompt does not fit the model's context."),
            code="context_length_exceeded",
            param=failure.param or "messages",
            provider=provider,
        )
    if status in (401, 403):
        return _forbidden(failure, provider) if status == 403 else _bad_credential(status, provider)
    if status in (408, 504):
        return UpstreamTimeout(f"{provider} took too long (status {status}).", provider=provider)
    if 400 <= status < 500:
        return _callers_fault(status, failure, provider)
    return _providers_fault(status, headers, provider)


def _bad_credential(status: int, provider: str) -> UpstreamAuthFailed:
    return UpstreamAuthFailed(
        f"{provider} refused the platform's credential (status {status}).", provider=provider
    )


def _forbidden(failure: _Failure, provider: str) -> PlatformError:
    """A code tells what is not the credential's fault: another would fare no better, or with this model alone."""
    words = f"{failure.code} {failure.type} {failure.message}"
    match next((topic for topic, pattern in _FORBIDDEN.items() if pattern.search(words)), ""):
        case "content":
            return _refused_content(failure, provider)
        case "region":
            message = f"{provider} does not serve the region that the platform asks from."
            return UpstreamError(message, code="region_not_served", provider=provider)
        case "quota":
            return _out_of_quota(provider)
        case "model":
            message = f"{provider} does not let the platform's account use this model."
            return UpstreamAuthFailed(message, code="model_not_allowed", provider=provider)
        case "credential":
            return _bad_credential(403, provider)
        case _:
            return UpstreamAuthFailed(
                f"{provider} forbids the request (status 403).", code="not_permitted", provider=provider
            )


def _out_of_quota(provider: str) -> UpstreamRateLimited:
    message = f"The platform's quota at {provider} is used up."
    return UpstreamRateLimited(message, code="insufficient_quota", provider=provider)


def _refused_content(failure: _Failure, provider: str) -> ContentRefused:
    message = _words(failure, f"The content policy of {provider} forbids this request.")
    return ContentRefused(message, code="content_policy_violation", provider=provider)


def _rate_limited(
    status: int, headers: Mapping[str, str], failure: _Failure, provider: str
) -> UpstreamRateLimited:
    if failure.out_of_quota or status == 402:
        return _out_of_quota(provider)
    if _TOO_MUCH.search(failure.message):
        message = f"The request is larger than {provider} lets the platform ask for in a minute."
        return UpstreamRateLimited(message, code="request_too_large", provider=provider)
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
        return _refused_content(failure, provider)
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
