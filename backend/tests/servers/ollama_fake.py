"""A server that speaks Ollama's API as Ollama does, for tests: statuses, content types, error bodies, silences.

It is held to the official client in tests/integration/ollama/test_fake.py. Beyond the real one it remembers what
it was asked (`requests`), notices who leaves (`left`), and misbehaves on demand: `faults`; `deaf` to `truncate`
and `shift`, as servers before 0.12.6 are; `pull_hold`, waited for within a download.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from tests.servers.ollama_answers import (
    Refused,
    answer,
    chat_prompt,
    fit,
    in_message,
    in_response,
    newest,
    pulling,
    whole,
)
from tests.servers.ollama_engines import Engine, ScriptedEngine
from tests.servers.ollama_models import FakeModel, Memory, full_name, now, seconds

Json = dict[str, Any]


@dataclass
class Fault:
    """What goes wrong with a path: a `status` at once, or, after so many lines, what `how` says."""

    text: str = "it broke"
    status: int = 0
    after: int = 0
    how: Literal["error", "end", "cut", "garbage"] = "error"
    headers: dict[str, str] | None = None


class OllamaFake:
    def __init__(
        self,
        *models: FakeModel,
        engine: Engine | None = None,
        registry: Iterable[FakeModel] = (),
        version: str = "0.33.0",
        port: int = 0,
    ) -> None:
        self._port = port
        self.engine = engine or ScriptedEngine()
        self.version = version
        self.models = {full_name(model.name): model for model in models}
        self.registry = {full_name(model.name): model for model in registry}
        self.memory = Memory()
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.deaf = False
        self.pull_hold: asyncio.Event | None = None
        self.left: asyncio.Queue[str] = asyncio.Queue()
        self.faults: dict[str, Fault] = {}
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "OllamaFake":
        app = web.Application(middlewares=[self._watch], client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.get("/", _alive),
                web.get("/api/version", self._version),
                web.get("/api/tags", self._tags),
                web.get("/api/ps", self._ps),
                web.post("/api/show", self._show),
                web.post("/api/chat", self._chat),
                web.post("/api/generate", self._generate),
                web.post("/api/embed", self._embed),
                web.post("/api/pull", self._pull),
                web.delete("/api/delete", self._delete),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def asked(self, path: str) -> list[Json]:
        """The bodies that came for `path`, in order."""
        return [body for each, body in self.requests if each == path]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        fault = self.faults.get(request.path)
        if fault is not None and fault.status:
            return web.json_response({"error": fault.text}, status=fault.status, headers=fault.headers)
        try:
            response: web.StreamResponse = await handler(request)
        except Refused as refused:
            return web.json_response({"error": refused.text}, status=refused.status)
        except web.HTTPNotFound:
            return web.Response(status=404, text="404 page not found")
        except (asyncio.CancelledError, ConnectionResetError):
            self.left.put_nowait(request.path)
            raise
        return response

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _tags(self, _: web.Request) -> web.Response:
        return web.json_response({"models": [model.listed() for model in self.models.values()]})

    async def _ps(self, _: web.Request) -> web.Response:
        return web.json_response({"models": [each.listed() for each in self.memory.now()]})

    async def _show(self, request: web.Request) -> web.Response:
        model = self._model(await self._body(request))
        if not model.shown:
            raise Refused(500, f"open /root/.ollama/models/blobs/sha256-{model.digest}: no such file or directory")
        return web.json_response(model.described())

    async def _delete(self, request: web.Request) -> web.Response:
        model = self._model(await self._body(request))
        del self.models[full_name(model.name)]
        self.memory.unload(model)
        return web.Response()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        model = self._model(body)
        empty = not body.get("messages")
        if empty and seconds(body) == 0:
            return self._unload(model, {"message": {"role": "assistant", "content": ""}})
        self._require(model, body, "chat")
        loaded = self.memory.load(model, body)
        if empty:
            return web.json_response(_idle(model, "load", {"message": {"role": "assistant", "content": ""}}))
        prompt = chat_prompt(self.engine, body, loaded.num_ctx)
        prompt = newest(prompt, loaded.num_ctx) if self.deaf else fit(self.engine, prompt, body, loaded.num_ctx)
        lines = answer(
            self.engine, prompt, body, num_ctx=loaded.num_ctx, thinks=_thinks(model, body), place=in_message
        )
        return await self._reply(request, body, lines)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        model = self._model(body)
        if not body.get("prompt") and seconds(body) == 0:
            return self._unload(model, {"response": ""})
        self._require(model, body, "generate")
        loaded = self.memory.load(model, body)
        if not body.get("prompt"):
            return web.json_response(_idle(model, "load", {"response": ""}))
        if body.get("raw"):
            prompt = body["prompt"]
        else:
            system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
            turns = {**body, "messages": [*system, {"role": "user", "content": body["prompt"]}]}
            prompt = chat_prompt(self.engine, turns, loaded.num_ctx)
        prompt = fit(self.engine, prompt, body, loaded.num_ctx)
        thinks = _thinks(model, body) and not body.get("raw")
        lines = answer(self.engine, prompt, body, num_ctx=loaded.num_ctx, thinks=thinks, place=in_response)
        return await self._reply(request, body, lines)

    async def _embed(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        model = self._model(body)
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input") or []
        if not all(isinstance(text, str) for text in texts):
            raise Refused(400, "invalid input type")
        limit = min(self.memory.load(model, body).num_ctx, model.context_length)
        vectors = [self._vector(text, body, limit) for text in texts]
        tokens = sum(min(self.engine.count(text), limit) for text in texts)
        return web.json_response({"model": body["model"], "embeddings": vectors, "prompt_eval_count": tokens})

    def _vector(self, text: str, body: Json, limit: int) -> list[float]:
        if self.engine.count(text) > limit:
            if body.get("truncate") is False:
                raise Refused(400, "the input length exceeds the context length")
            while self.engine.count(text) > limit:
                text = text[: len(text) * 15 // 16]
        return self.engine.embed(text)[: body.get("dimensions") or None]

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if ".." in body["model"]:
            raise Refused(400, "invalid model name")
        return await self._reply(request, body, self._pulling(body["model"]), media="application/json")

    async def _pulling(self, name: str) -> AsyncGenerator[Json, None]:
        model = self.registry.get(full_name(name))
        async for line in pulling(model):
            if model is not None and line["status"] == "success":
                self.models[full_name(name)] = model
            yield line
            if self.pull_hold is not None:
                await self.pull_hold.wait()

    async def _body(self, request: web.Request) -> Json:
        raw = await request.read()
        if not raw:
            raise Refused(400, "missing request body")
        try:
            body: Json = json.loads(raw)
        except ValueError:
            raise Refused(400, "invalid character 'x' looking for beginning of value") from None
        self.requests.append((request.path, body))
        return body

    def _model(self, body: Json) -> FakeModel:
        model = self.models.get(full_name(body.get("model", "")))
        if model is None:
            raise Refused(404, f"model '{body.get('model', '')}' not found")
        return model

    def _require(self, model: FakeModel, body: Json, verb: str) -> None:
        has = model.capabilities or ("completion",)
        if body.get("think") and "thinking" not in has:
            raise Refused(400, f'"{body["model"]}" does not support thinking')
        if "completion" not in has:
            raise Refused(400, f'"{body["model"]}" does not support {verb}')
        if body.get("tools") and "tools" not in has:
            raise Refused(400, f"registry.ollama.ai/library/{model.name} does not support tools")

    def _unload(self, model: FakeModel, place: Json) -> web.Response:
        self.memory.unload(model)
        return web.json_response(_idle(model, "unload", place))

    async def _reply(
        self,
        request: web.Request,
        body: Json,
        lines: AsyncGenerator[Json, None],
        media: str = "application/json; charset=utf-8",
    ) -> web.StreamResponse:
        if body.get("stream") is False:
            answered = await whole(lines)
            text = answered.get("error")
            return web.json_response({"error": text} if text else answered, status=500 if text else 200)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        fault = self.faults.get(request.path)
        written = 0
        async for line in lines:
            if fault is not None and written == fault.after:
                await _misbehave(request, response, fault)
                break
            await response.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            written += 1
        await lines.aclose()
        return response


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="Ollama is running")


async def _misbehave(request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
    match fault.how:
        case "error":
            await response.write(json.dumps({"error": fault.text}).encode() + b"\n")
        case "garbage":
            await response.write(b"<html>no JSON here</html>\n")
        case "cut":
            assert request.transport is not None
            request.transport.abort()
        case "end":
            pass


def _thinks(model: FakeModel, body: Json) -> bool:
    return "thinking" in (model.capabilities or ()) and body.get("think") is not False


def _idle(model: FakeModel, reason: str, place: Json) -> Json:
    return {"model": model.name, "created_at": now(), **place, "done": True, "done_reason": reason}
