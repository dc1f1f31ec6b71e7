"""Peers that keep to the protocol and mean no good."""

import asyncio

from app.api.websocket.protocol import MOST_UNSENT
from tests.websocket.gateway import HI, Gateway, client, gateway, text

MASK = b"\0\0\0\0"
PING = b"\x89\xfd" + MASK + b"p" * 125
BAD_FRAME = b"\x81\x81" + MASK + b"x"


async def handshake(platform: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection that reads nothing after the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.port, limit=1024)
    writer.write(
        b"GET /ws/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_pings_whose_pongs_nobody_reads_end_the_connection() -> None:
    async with gateway(send_buffer=8192) as platform, asyncio.timeout(10):
        _, writer = await handshake(platform)
        sent = 0
        try:
            while sent < 64 * MOST_UNSENT:
                writer.write(PING * 100)
                sent += 100 * len(PING)
                await writer.drain()
        except ConnectionError:
            pass
        assert writer.transport.is_closing()
        writer.close()


async def test_bad_frames_whose_errors_nobody_reads_are_not_read_either() -> None:
    """The answers wait for the peer, and the next frame waits for the answers."""
    async with gateway(send_buffer=8192) as platform:
        _, writer = await handshake(platform)
        sent = 0
        try:
            async with asyncio.timeout(1):
                while True:
                    writer.write(BAD_FRAME * 1000)
                    sent += 7000
                    await writer.drain()
        except TimeoutError:
            pass
        assert sent < 16 * 2**20
        writer.transport.abort()
        async with client(platform) as socket:
            assert text(await socket.ask()) == "Hello"


async def test_half_a_frame_at_a_time_is_a_frame() -> None:
    async with gateway() as platform, client(platform) as socket:
        await socket.connection.send(['{"message":"hi",', '"model":"model","id":"ü"}'])
        assert (await socket.frames())[-1]["id"] == "ü"


async def test_text_that_is_not_utf_8_closes_with_1007() -> None:
    async with gateway() as platform, client(platform) as socket:
        await socket.connection.send(b"\xff", text=True)
        assert await socket.closed() == 1007


async def test_many_sockets_come_and_go() -> None:
    async with gateway() as platform:
        before = len(asyncio.all_tasks())

        async def visit() -> None:
            async with client(platform) as socket:
                assert text(await socket.ask(**HI)) == "Hello"

        for _ in range(5):
            await asyncio.gather(*(visit() for _ in range(20)))
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - others' tasks come to their end
                await asyncio.sleep(0.01)
        assert not platform.front_end._sockets
