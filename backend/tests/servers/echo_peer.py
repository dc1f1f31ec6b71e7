"""An OpenAI-compatible server that says to each caller what that caller said, a word a chunk.

Answers of a request that nobody else made show at once when two were mixed up.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = dict[str, Any]

BROKEN = "broken"
"""A model that is never up."""


class EchoPeer:
    """`gather`: answers begin only when so many have arrived together. `hold`: waited for before the last word.

    `speaking` is set as soon as a first word is out; `running` counts the answers under way, `headers` holds those
    of each question, their names in lower case. `broken`: it refuses every chat, as a server with a defect.
    """

    def __init__(self, *, gather: int = 1, hold: asyncio.Event | None = None) -> None:
        self.url = ""
        self.hold = hold
        self.broken = False
        self.speaking = asyncio.Event()
        self.running = 0
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self._gather = gather
        self._gathered = asyncio.Event()

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "echo", "object": "model", "created": 1}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        self.asked += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.broken:
            return web.json_response({"error": {"message": "a defect", "type": "server_error"}}, status=500)
        self.running += 1
        try:
            if self.asked >= self._gather:
                self._gathered.set()
            await self._gathered.wait()
            return await self._answer(request, body)
        finally:
            self.running -= 1

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        if body["model"] == BROKEN:
            return web.json_response({"error": {"message": "overloaded", "type": "server_error"}}, status=503)
        words: list[str] = body["messages"][-1]["content"].split(" ")
        if not body.get("stream"):
            if self.hold is not None:
                await self.hold.wait()
            message = {"role": "assistant", "content": " ".join(words)}
            return web.json_response(_completion({"message": message, "finish_reason": "stop"}))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for place, word in enumerate(words):
            if self.hold is not None and place == len(words) - 1:
                await self.hold.wait()
            text = word if place == 0 else f" {word}"
            await response.write(_frame(_completion({"delta": {"content": text}, "finish_reason": None})))
            self.speaking.set()
            await asyncio.sleep(0)  # let another speak between two words
        await response.write(_frame(_completion({"delta": {}, "finish_reason": "stop"})))
        await response.write(b"data: [DONE]\n\n")
        return response


def _completion(choice: Json) -> Json:
    kind = "chat.completion.chunk" if "delta" in choice else "chat.completion"
    return {"id": "echo-1", "object": kind, "created": 1, "model": "echo", "choices": [{"index": 0, **choice}]}


def _frame(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@asynccontextmanager
async def echo_peer(*, gather: int = 1, hold: asyncio.Event | None = None) -> AsyncIterator[EchoPeer]:
    """Listens on a free port of 127.0.0.1. Lists one model, `echo`."""
    peer = EchoPeer(gather=gather, hold=hold)
    app = web.Application()
    app.add_routes([web.get("/v1/models", peer.models), web.post("/v1/chat/completions", peer.chat)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield peer
    finally:
        await runner.cleanup()
