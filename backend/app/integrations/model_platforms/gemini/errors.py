"""Google's refusals as domain errors.

An error is a google.rpc.Status in JSON, with details that say more than its code does; within a stream it comes as
a frame, or bare, after the frames. A caller sees Google's own words only where the request is at fault, and then
cleaned. https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors
"""

import re
from collections.abc import Mapping

import msgspec

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
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
from app.integrations.model_platforms.gemini.names import not_found
from app.wire.openai_chat.upstream_errors import retry_after
from app.wire.redact import redact

# google.rpc.ErrorInfo's reasons that concern our key or our account: a wrong key comes with the status 400.
_OUR_FAULT = re.compile(r"API_KEY_\w+|SERVICE_DISABLED|BILLING_DISABLED|CONSUMER_\w+|ACCESS_TOKEN_\w+")
_TOO_LONG = re.compile(r"(?i)token count\b.{0,40}\bexceeds|exceeds the maximum number of (?:input )?tokens")
_TOO_LARGE = re.compile(r"(?i)payload size exceeds the limit")
_NOT_ABLE = re.compile(r"(?i)\bis (?:not (?:enabled|supported|available)|unsupported)\b|\bdoes not support\b")
_NO_FILE = re.compile(r"(?i)access the file\b|^files?\b.{0,80}not (?:exist|found)")
_OUR_KEY = re.compile(r"(?i)\bapi key\b")
_REGION = re.compile(r"(?i)country|region|location")
_SPENT = re.compile(r"(?i)credits are depleted|spending cap")
_NEVER = re.compile(r"limit: 0\b(?!\.)")
# Seconds to wait for a quota that comes back with a new day, wherever that begins.
_LONG = 3600.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


class _Violation(msgspec.Struct, rename="camel"):
    quota_id: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    """What ErrorInfo (`reason`), RetryInfo (`retry_delay`) and QuotaFailure (`violations`) say."""

    reason: str = ""
    retry_delay: str = ""
    violations: list[_Violation] = []


class _Plain(msgspec.Struct, rename="camel"):
    """Of a status whose details are not as documented."""

    code: int = 0
    message: str = ""
    status: str = ""


class Status(_Plain):
    details: list[_Detail] = []


class _Body(msgspec.Struct):
    error: Status


class _PlainBody(msgspec.Struct):
    error: _Plain


def read(body: bytes) -> Status | None:
    """The error in `body`, which may stand in a list of one; None where there is none."""
    try:
        found = msgspec.json.decode(body, type=_Body | list[_Body])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _read_plain(body)
    first = found if isinstance(found, _Body) else next(iter(found), None)
    return first.error if first else None


def _read_plain(body: bytes) -> Status | None:
    try:
        plain = msgspec.json.decode(body, type=_PlainBody).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Status(plain.code, plain.message, plain.status)


def decode(status: int, headers: Mapping[str, str], body: bytes, *, provider: str, model: str) -> PlatformError:
    """What an answer of any other `status` than success means. `headers`: lower-case names."""
    return classify(status, read(body) or Status(), provider, model, headers)


def blames_us(failure: Status | None) -> bool:
    """Whether the failure says that our key or our project is at fault."""
    return failure is not None and any(_OUR_FAULT.fullmatch(detail.reason) for detail in failure.details)


def classify(
    status: int, failure: Status, provider: str, model: str, headers: Mapping[str, str] | None = None
) -> PlatformError:
    if status == 429:
        return _rate_limited(failure, provider, model, headers or {})
    if refusal := _refusal_of_us(status, failure, provider, model):
        return refusal
    if 400 <= status < 500 and status not in (408, 499):
        return _callers_fault(status, failure, provider, model)
    return _providers_fault(status, failure, provider, headers or {})


def _refusal_of_us(status: int, failure: Status, provider: str, model: str) -> UpstreamError | None:
    """What is not the caller's fault. The code tells what is not the key's either."""
    if blames_us(failure) or status == 401 or (status == 403 and _OUR_KEY.search(failure.message)):
        return UpstreamAuthFailed(f"'{provider}' refuses the platform's key.", provider=provider)
    if status == 403 and not _NO_FILE.search(failure.message):
        message = f"'{provider}' does not let the platform use '{model}'."
        return UpstreamAuthFailed(message, code="model_not_allowed", provider=provider)
    if failure.status == "FAILED_PRECONDITION" and _REGION.search(failure.message):
        message = f"'{provider}' does not serve the region that the platform asks from."
        return UpstreamError(message, code="region_not_served", provider=provider)
    return None


def _rate_limited(failure: Status, provider: str, model: str, headers: Mapping[str, str]) -> UpstreamRateLimited:
    """The retryDelay of a day's quota is short too, and not to be believed."""
    quotas = [violation.quota_id for detail in failure.details for violation in detail.violations]
    of_a_day = [quota for quota in quotas if "PerDay" in quota]
    if _NEVER.search(failure.message) or any("PerModel" in quota for quota in of_a_day):
        message = f"The platform's quota for '{model}' at '{provider}' is used up."
        return UpstreamRateLimited(message, retry_after=_LONG, provider=provider)
    if of_a_day or _SPENT.search(failure.message):
        message = f"The platform's quota at '{provider}' is used up."
        return UpstreamRateLimited(message, code="insufficient_quota", provider=provider)
    return UpstreamRateLimited(
        f"'{provider}' is limiting the platform's requests; try again later.",
        retry_after=_delay(failure, headers),
        provider=provider,
    )


def _callers_fault(status: int, failure: Status, provider: str, model: str) -> PlatformError:
    words = redact(failure.message)
    if status == 404 and not _NO_FILE.search(failure.message):
        return not_found(provider, model)
    if _TOO_LONG.search(failure.message):
        return ContextLengthExceeded(words, code="context_length_exceeded", param="messages", provider=provider)
    if status == 413 or _TOO_LARGE.search(failure.message):
        return PayloadTooLarge(f"The request is too large for '{provider}'.", provider=provider)
    if _NOT_ABLE.search(failure.message):
        return UnsupportedFeature(words, provider=provider)
    return InvalidRequest(words or f"'{provider}' refused the request (status {status}).", provider=provider)


def _providers_fault(status: int, failure: Status, provider: str, headers: Mapping[str, str]) -> UpstreamError:
    match status:
        case 502 | 503:
            return UpstreamUnavailable(
                f"'{provider}' is not available.", retry_after=_delay(failure, headers), provider=provider
            )
        case 408 | 504:
            return UpstreamTimeout(f"'{provider}' took too long.", provider=provider)
        case _ if 0 < status < 400:
            return ProviderProtocolError(f"'{provider}' answered with status {status}.", provider=provider)
        case _:
            return UpstreamError(f"'{provider}' failed.", provider=provider)


def _delay(failure: Status, headers: Mapping[str, str]) -> float | None:
    """Seconds until another try."""
    for detail in failure.details:
        if found := _DURATION.fullmatch(detail.retry_delay):
            return float(found[1])
    return retry_after(headers)
