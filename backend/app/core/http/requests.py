"""Small JSON calls on a transport, for listings, probes and admin calls; hot paths use the transport itself."""

from collections.abc import Callable, Mapping
from contextlib import aclosing

import msgspec

from app.core.http.failures import garbled
from app.core.http.transport import InboundResponse, OutboundRequest, Transport
from app.domain.errors import (
    NotFound,
    PlatformError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)

MAX_JSON_BYTES = 16 * 2**20
MAX_ERROR_BYTES = 64 * 1024

ErrorDecoder = Callable[[int, Mapping[str, str], bytes], PlatformError]


async def get_json(
    transport: Transport,
    path: str,
    *,
    decode_error: ErrorDecoder | None = None,
    first_byte_timeout: float | None = None,
    limit: int = MAX_JSON_BYTES,
) -> object:
    """The value of a 2xx answer.

    Any other status raises what `decode_error(status, headers, body)` makes of it, or an error by status alone.
    """
    request = OutboundRequest(method="GET", path=path, first_byte_timeout=first_byte_timeout)
    return await _exchange(transport, request, decode_error, limit)


async def post_json(
    transport: Transport,
    path: str,
    value: object,
    *,
    method: str = "POST",
    decode_error: ErrorDecoder | None = None,
    first_byte_timeout: float | None = None,
    limit: int = MAX_JSON_BYTES,
) -> object:
    """As `get_json`, with `value` (anything msgspec encodes) as the body. None for an answer without a body."""
    request = OutboundRequest(
        method=method,
        path=path,
        headers=(("content-type", "application/json"),),
        body=msgspec.json.encode(value),
        first_byte_timeout=first_byte_timeout,
    )
    return await _exchange(transport, request, decode_error, limit)


async def open_good(
    transport: Transport, request: OutboundRequest, decode_error: ErrorDecoder | None = None
) -> InboundResponse:
    """A 2xx answer, for the caller to read and close. Raises for any other as `get_json` does."""
    response = await transport.open(request)
    if 200 <= response.status < 300:
        return response
    async with aclosing(response):
        body = await read_error(response)
    if decode_error is None:
        raise error_by_status(transport.name, response.status)
    raise decode_error(response.status, response.headers, body)


async def read_json(response: InboundResponse, *, provider: str, limit: int = MAX_JSON_BYTES) -> object:
    """The body as JSON, None when it is empty. Raises ProviderProtocolError; closing stays with the holder."""
    body = await response.read(limit)
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise garbled(provider, "answered with something that is not JSON.") from None


async def read_error(response: InboundResponse) -> bytes:
    """The body of an error answer, as far as it could be read: at most 64 KiB, b"" when it broke off."""
    try:
        return await response.read(MAX_ERROR_BYTES)
    except UpstreamError:
        return b""


def error_by_status(provider: str, status: int) -> PlatformError:
    """For an upstream without an error format of its own."""
    match status:
        case 401 | 403:
            return UpstreamAuthFailed(f"'{provider}' refuses the platform's credential.", provider=provider)
        case 404:
            return NotFound(f"'{provider}' does not know what was asked for.", provider=provider)
        case 429:
            return UpstreamRateLimited(f"'{provider}' refuses more requests for now.", provider=provider)
        case _ if status >= 500:
            return UpstreamUnavailable(f"'{provider}' failed with status {status}.", provider=provider)
        case _:
            return UpstreamError(f"'{provider}' answered with status {status}.", provider=provider)


async def _exchange(
    transport: Transport, request: OutboundRequest, decode_error: ErrorDecoder | None, limit: int
) -> object:
    async with aclosing(await open_good(transport, request, decode_error)) as response:
        return await read_json(response, provider=transport.name, limit=limit)
