"""Scripts and readings that the transport contract tests share."""

import asyncio
from contextlib import aclosing

from app.core.http import InboundResponse, OutboundRequest, Transport
from tests.servers.raw_peer import Call, Script

GET = OutboundRequest(method="GET", path="/")
POST = OutboundRequest(method="POST", path="/", body=b"{}")
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def always(answer: bytes, *, bytewise: bool = False) -> Script:
    async def script(call: Call) -> None:
        while True:
            await call.request()
            await (call.send_bytewise if bytewise else call.send)(answer)

    return script


def once(answer: bytes) -> Script:
    async def script(call: Call) -> None:
        await call.request()
        await call.send(answer)

    return script


async def fetch(transport: Transport, request: OutboundRequest = GET) -> tuple[int, bytes]:
    async with aclosing(await transport.open(request)) as response:
        return response.status, await response.read()


async def gather(response: InboundResponse, received: list[bytes]) -> None:
    """What came before an error stays in `received`."""
    async for chunk in response.chunks():
        received.append(chunk)


async def serve(call: Call) -> None:
    """Answers `ok` to everything."""
    while True:
        await call.request()
        await call.answer()


async def until_ended(call: Call, seconds: float = 0.5) -> None:
    """The peer saw the end of the connection, by default within R10's half second."""
    async with asyncio.timeout(seconds):
        await call.ended.wait()
