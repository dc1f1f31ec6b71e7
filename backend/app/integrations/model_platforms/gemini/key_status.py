"""A wrong key told by its status. Google refuses one with 400, as it does a bad request; everybody else, 401."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from app.core.http import InboundResponse, OutboundRequest, Transport, read_error
from app.core.http.transport import MAX_BODY_BYTES
from app.integrations.model_platforms.gemini import errors


class KeyStatusTransport:
    """Satisfies Transport, over another one: a 400 that is the key's fault becomes a 401."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def name(self) -> str:
        return self._transport.name

    @property
    def busy(self) -> bool:
        return self._transport.busy

    async def open(self, request: OutboundRequest) -> InboundResponse:
        response = await self._transport.open(request)
        if response.status != 400:
            return response
        async with aclosing(response):
            body = await read_error(response)
        return _Refusal(401 if errors.blames_us(errors.read(body)) else 400, response.headers, body)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _Refusal:
    """Satisfies InboundResponse: one that has been read already."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self, limit: int = MAX_BODY_BYTES) -> bytes:
        return self._body

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self._body

    async def aclose(self) -> None:
        return None
