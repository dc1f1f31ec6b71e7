"""A server that speaks the Messages API as Anthropic does, for tests: headers, pages, checks, events, errors.

It is held to the official client in tests/integration/integrations/anthropic/test_fake.py. Beyond the real one it
remembers what it was asked (`received`) and what it wrote (`written`), notices who comes and leaves (`arrived`,
`left`: the paths), and does as it is told: `answers`, `faults`, and `hold`, waited for after so many events.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.anthropic_answers import Answer, count, frame, usual
from tests.servers.anthropic_checks import VERSIONS, Refused, check
from tests.servers.anthropic_models import MODELS, FakeModel

Json = dict[str, Any]

ID = web.RequestKey("id", str)
KEY = "sk-ant-api03-canary"


@dataclass(frozen=True)
class Received:
    """Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Fault:
    """An error instead of an answer; with `after`, once the stream has given so many events."""

    status: int
    type: str
    message: str = "It broke. sk-ant-canary"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None

    def body(self, id: str) -> Json:
        return {"type": "error", "error": {"type": self.type, "message": self.message}, "request_id": id}


class AnthropicFake:
    """Answers and faults are used up in order; without any, `usual` answers."""

    def __init__(self, *models: FakeModel, lists: bool = True, counts: bool = True) -> None:
        self.models = list(models or MODELS)
        self.keys = {KEY}
        self.answers: list[Answer] = []
        self.faults: list[Fault] = []
        self.hold: tuple[int, asyncio.Event] | None = None
        self.received: list[Received] = []
        self.written = b""
        self.connections: set[Any] = set()
        self.arrived: asyncio.Queue[str] = asyncio.Queue()
        self.left: asyncio.Queue[str] = asyncio.Queue()
        self.url = ""
        self._lists = lists
        self._counts = counts
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "AnthropicFake":
        app = web.Application(middlewares=[self._watch], client_max_size=32 * 2**20)
        app.add_routes([web.post("/v1/messages", self._message)])
        if self._counts:
            app.add_routes([web.post("/v1/messages/count_tokens", self._count)])
        if self._lists:
            app.add_routes([web.get("/v1/models", self._list), web.get("/v1/models/{id}", self._retrieve)])
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        assert self._runner is not None
        port: int = self._runner.addresses[0][1]
        return port

    def asked(self, path: str = "/v1/messages") -> list[Received]:
        return [each for each in self.received if each.path == path]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
        body = await request.read()
        self.received.append(Received(request.method, request.path, request.query_string, headers, body))
        self.connections.add(request.transport)
        self.arrived.put_nowait(request.path)
        id = f"req_{len(self.received):024}"
        request[ID] = id
        try:
            self._admit(headers)
            response: web.StreamResponse = await handler(request)
        except Refused as refused:
            return _error(Fault(refused.status, refused.type, refused.message), id)
        except web.HTTPNotFound:
            return _error(Fault(404, "not_found_error", "Not found"), id)
        except web.HTTPRequestEntityTooLarge:
            return _error(Fault(413, "request_too_large", "Request exceeds the maximum size"), id)
        except (asyncio.CancelledError, ConnectionResetError):
            self.left.put_nowait(request.path)
            raise
        return response

    def _admit(self, headers: Mapping[str, str]) -> None:
        shown = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not shown:
            raise Refused("x-api-key header is required", 401, "authentication_error")
        if shown not in self.keys:
            raise Refused("invalid x-api-key", 401, "authentication_error")
        version = headers.get("anthropic-version")
        if version is None:
            raise Refused("anthropic-version: header is required")
        if version not in VERSIONS:
            raise Refused(f'anthropic-version: "{version}" is not a valid version')

    async def _message(self, request: web.Request) -> web.StreamResponse:
        body, model = await self._read(request)
        check(body, model, request.headers["anthropic-version"])
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault.after is None:
            return _error(fault, request[ID])
        answer = self.answers.pop(0) if self.answers else usual(body, model)
        if body.get("stream"):
            return await self._stream(request, answer, body, fault)
        await self._held(0)
        self.written = json.dumps(answer.message(model.id, body), ensure_ascii=False).encode()
        return web.Response(body=self.written, headers=_head("application/json", request[ID]))

    async def _stream(
        self, request: web.Request, answer: Answer, body: Json, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_head("text/event-stream; charset=utf-8", request[ID]))
        await response.prepare(request)
        self.written = b""
        for number, event in enumerate(answer.events(self._model(body).id, body)):
            if fault is not None and number == fault.after:
                await response.write(frame({**fault.body(request[ID])}))
                break
            await self._held(number)
            self.written += frame(event)
            await response.write(frame(event))
        return response

    async def _held(self, number: int) -> None:
        if self.hold is not None and self.hold[0] == number:
            await self.hold[1].wait()

    async def _count(self, request: web.Request) -> web.Response:
        body, model = await self._read(request)
        check(body, model, request.headers["anthropic-version"], count=True)
        tokens = count({name: body[name] for name in ("system", "messages", "tools") if name in body})
        return web.json_response({"input_tokens": tokens})

    async def _list(self, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "20"))
        if not 1 <= limit <= 1000:
            raise Refused("limit: Input should be between 1 and 1000")
        ids = [model.id for model in self.models]
        start, end = 0, len(ids)
        if "after_id" in request.query:
            start = ids.index(request.query["after_id"]) + 1
        if "before_id" in request.query:
            end = ids.index(request.query["before_id"])
            start = max(0, end - limit)
        page = self.models[start:end][:limit]
        more = start > 0 if "before_id" in request.query else start + limit < len(ids)
        return web.json_response(
            {
                "data": [model.record() for model in page],
                "has_more": more,
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
            }
        )

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._model({"model": request.match_info["id"]}).record())

    async def _read(self, request: web.Request) -> tuple[Json, FakeModel]:
        try:
            body: Json = await request.json()
        except ValueError:
            raise Refused("The request body is not valid JSON") from None
        return body, self._model(body)

    def _model(self, body: Json) -> FakeModel:
        for model in self.models:
            if body.get("model") in model.names and model.lifecycle != "retired":
                return model
        raise Refused(f"model: {body.get('model')}", 404, "not_found_error")


def _head(media: str, id: str) -> dict[str, str]:
    return {"Content-Type": media, "request-id": id, "anthropic-organization-id": "org_1"}


def _error(fault: Fault, id: str) -> web.Response:
    headers = {**_head("application/json", id), **fault.headers}
    return web.Response(body=json.dumps(fault.body(id)).encode(), status=fault.status, headers=headers)
