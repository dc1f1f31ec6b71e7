"""An HTTP client that sends exactly the bytes it is told to, for requests that no proper client would make."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request_bytes(
    path: str, body: bytes = b"", *, method: str = "POST", headers: dict[str, str] | None = None
) -> bytes:
    lines = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**lines, **(headers or {})}.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body


async def read_reply(reader: asyncio.StreamReader, *, has_body: bool = True) -> Reply:
    """One whole response. A chunked body comes back joined."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = b""
    if has_body and headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    elif has_body:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split()[1]), headers, body)


async def ask(port: int, raw: bytes) -> Reply:
    """Send `raw` on a new connection and read the reply. Fails after ten seconds."""
    async with asyncio.timeout(10), connection(port) as (reader, writer):
        writer.write(raw)
        return await read_reply(reader, has_body=not raw.startswith(b"HEAD"))


async def post(port: int, path: str, body: object, headers: dict[str, str] | None = None) -> Reply:
    """`body`: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(port, request_bytes(path, raw, headers=headers))


async def get(port: int, path: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Reply:
    return await ask(port, request_bytes(path, method=method, headers=headers))
