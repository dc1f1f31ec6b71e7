"""For a server that ends an event stream of OpenAI's format with its body alone: the [DONE] that belongs there.

So nobody further on has to know of it, callers included. A body that breaks off is the transport's to notice; one
that ends before a choice was finished stays without its end.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from app.core.http import InboundResponse, OutboundRequest, Transport

_DONE = b"data: [DONE]\n\n"
_FINISHED = re.compile(rb'"finish_reason": ?"[a-z]')
_LONGEST = len(b'"finish_reason": "s')
_SSE = "text/event-stream"


class EndMarkingTransport:
    """Satisfies Transport, over another one."""

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
        streams = response.headers.get("content-type", "").startswith(_SSE)
        return _EndMarkingResponse(response) if streams and response.status == 200 else response

    async def aclose(self) -> None:
        await self._transport.aclose()


class _EndMarkingResponse:
    def __init__(self, response: InboundResponse) -> None:
        self._response = response
        self.read = response.read
        self.aclose = response.aclose

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        finished, last = False, b""
        async with aclosing(self._response.chunks()) as chunks:
            async for chunk in chunks:
                finished = finished or _FINISHED.search(last + chunk) is not None
                last = chunk[-_LONGEST:]
                yield chunk
        if finished:
            yield _DONE
