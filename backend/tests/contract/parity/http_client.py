"""What the drivers of HTTP share: send a body, read JSON or server-sent events."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.contract.parity.outcome import Asking, Fault

Event = dict[str, Any]
PIECE = 7
"""Bytes: no character of more than one byte is safe."""


def key_headers(asking: Asking) -> dict[str, str]:
    return {} if asking.key is None else {"Authorization": f"Bearer {asking.key}"}


def named(fields: Mapping[str, object]) -> dict[str, object]:
    """Without what is not said."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}


@asynccontextmanager
async def posted(
    client: httpx.AsyncClient,
    path: str,
    body: Mapping[str, object],
    asking: Asking,
    fault: Callable[[int, Any, float | None], Fault],
) -> AsyncIterator[httpx.Response]:
    """The answer's head. Raises what `fault` makes of a status, a body and a Retry-After."""
    raw = json.dumps({**body, **asking.wrong}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **key_headers(asking)}
    content = _pieces(raw) if asking.pieces else raw
    async with client.stream("POST", path, content=content, headers=headers) as reply:
        if reply.status_code != 200:
            await reply.aread()
            after = reply.headers.get("retry-after")
            raise fault(reply.status_code, reply.json(), None if after is None else float(after))
        yield reply


async def whole(reply: httpx.Response) -> Any:
    return json.loads(await reply.aread())


async def events(reply: httpx.Response) -> AsyncGenerator[Event, None]:
    """The data of each event, but for [DONE]."""
    async for line in reply.aiter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


async def _pieces(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), PIECE):
        yield raw[start : start + PIECE]
