"""Providers to ask: OpenAI's chat and Anthropic's messages, whole and streamed, a few milliseconds an answer.

The number that stands in the prompt comes back as the tokens read, so that each row of the ledger can be told from
all others.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from aiohttp import web

OUTPUT_TOKENS = 7
_NUMBER = re.compile(r"number (\d+)")
_PIECES = ("So ", "many ", "words", ".")


@asynccontextmanager
async def serving(seed: int) -> AsyncIterator[str]:
    """Its address."""
    dice = random.Random(seed)  # noqa: S311 - it makes answers slow
    app = web.Application()
    app["dice"] = dice
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/messages", _messages)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _models(_: web.Request) -> web.Response:
    found = {
        "id": "m",
        "object": "model",
        "type": "model",
        "display_name": "m",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return web.json_response({"object": "list", "data": [found], "has_more": False})


async def _chat(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    head = {"id": "chat-1", "object": "chat.completion", "created": 1, "model": "m"}
    read = _number(asked)
    usage = {"prompt_tokens": read, "completion_tokens": OUTPUT_TOKENS, "total_tokens": read + OUTPUT_TOKENS}
    if not asked.get("stream"):
        await _pause(request)
        message = {"role": "assistant", "content": "".join(_PIECES)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({**head, "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    events: list[Any] = [{**head, "choices": [_delta({"role": "assistant", "content": ""})]}]
    events += [{**head, "choices": [_delta({"content": piece})]} for piece in _PIECES]
    events.append({**head, "choices": [_delta({}, "stop")]})
    events.append({**head, "choices": [], "usage": usage})
    return await _stream(request, [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events], _DONE)


_DONE = b"data: [DONE]\n\n"


def _delta(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


async def _messages(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    usage = {"input_tokens": _number(asked), "output_tokens": OUTPUT_TOKENS}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    if not asked.get("stream"):
        await _pause(request)
        content = [{"type": "text", "text": "".join(_PIECES)}]
        return web.json_response({**message, "content": content, "stop_reason": "end_turn", "usage": usage})
    begun: dict[str, Any] = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    deltas = [{"type": "text_delta", "text": piece} for piece in _PIECES]
    events += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    events.append({"type": "content_block_stop", "index": 0})
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": OUTPUT_TOKENS}})
    return await _stream(request, [_event(event) for event in events], _event({"type": "message_stop"}))


def _event(event: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event))


async def _stream(request: web.Request, frames: list[bytes], end: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    with suppress(ConnectionResetError):  # the platform is dead
        await response.prepare(request)
        for frame in [*frames, end]:
            await response.write(frame)
            await _pause(request)
        await response.write_eof()
    return response


async def _pause(request: web.Request) -> None:
    dice: random.Random = request.app["dice"]
    await asyncio.sleep(dice.uniform(0, 0.008))


def _number(asked: object) -> int:
    found = _NUMBER.search(msgspec.json.encode(asked).decode())
    assert found, asked
    return int(found[1])
