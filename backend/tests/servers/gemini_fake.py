"""A server that speaks Google's Gemini API as Google does, for tests: paths, statuses, error bodies, line ends.

It is held to the official SDK in tests/integration/integrations/gemini/test_fake.py. What it refuses is in
gemini_checks.py, what it answers in gemini_answers.py. Beyond the real one it remembers what it was asked
(`requests`), notices who comes (`arrived`) and leaves (`left`), waits on demand (`hold`), closes the connection
after a list (`closes`), and misbehaves: `faults`, by method.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.servers.gemini_answers import Script, count
from tests.servers.gemini_checks import Refused, check_thinking, checked, invalid
from tests.servers.ollama_engines import words

Json = dict[str, Any]

KEY = "AIzaSyCanaryCanaryCanaryCanaryCanary0"
CHATS = ("generateContent", "countTokens")


@dataclass(frozen=True)
class FakeModel:
    id: str
    thinking: bool = False
    methods: tuple[str, ...] = (*CHATS, "createCachedContent", "batchGenerateContent")
    input_limit: int = 1_048_576

    def listed(self) -> Json:
        return {
            "name": f"models/{self.id}",
            "version": "001",
            "displayName": self.id.replace("-", " ").title(),
            "description": f"The model {self.id}.",
            "inputTokenLimit": self.input_limit,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": list(self.methods),
            "temperature": 1,
            "topP": 0.95,
            "topK": 64,
            "maxTemperature": 2,
        } | ({"thinking": True} if self.thinking else {})


MODELS = (
    FakeModel("gemini-3.5-flash", thinking=True),
    FakeModel("gemini-2.5-pro", thinking=True),
    FakeModel("gemini-2.0-flash"),
    FakeModel("gemini-2.5-flash-image"),
    FakeModel(
        "gemini-embedding-001", methods=("embedContent", "countTextTokens", "countTokens"), input_limit=2048
    ),
    FakeModel("imagen-4.0-generate-001", methods=("predict",), input_limit=480),
)


@dataclass
class Fault:
    """What goes wrong: a refusal at once, or, after so many frames, what `how` says."""

    refused: Refused | None = None
    after: int = 0
    how: Literal["frame", "bare", "end", "cut", "garbage"] = "bare"


@dataclass
class GeminiFake:
    models: tuple[FakeModel, ...] = MODELS
    script: Script = field(default_factory=Script)
    blocked: str = ""
    hold: asyncio.Event | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[tuple[str, Json]] = field(default_factory=list)
    heads: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closes: bool = False
    arrived: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    left: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    base_url: str = ""
    _runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])

    async def __aenter__(self) -> "GeminiFake":
        app = web.Application(middlewares=[self._watch], client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.get("/{version:v1|v1beta}/models", self._list),
                web.get("/{version:v1|v1beta}/models/{model}", self._get),
                web.post("/{version:v1|v1beta}/models/{model}:{method}", self._post),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def asked(self, method: str) -> list[Json]:
        """The bodies that came for `method`, in order."""
        return [body for each, body in self.requests if each == method]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.heads.append((request.raw_path, {name.lower(): value for name, value in request.headers.items()}))
        try:
            self._check_key(request)
            response: web.StreamResponse = await handler(request)
        except Refused as refused:
            return _json(refused.body(), refused.code)
        except web.HTTPNotFound:
            return web.Response(status=404, text="<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
        except (asyncio.CancelledError, ConnectionResetError):
            self.left.put_nowait(request.match_info.get("method", ""))
            raise
        return response

    def _check_key(self, request: web.Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if key is None:
            raise Refused(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use API "
                "Key or other form of API consumer identity to call this API.",
            )
        if key != KEY:
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
            refused = invalid("API key not valid. Please pass a valid API key.")
            refused.details = (info,)
            raise refused

    async def _list(self, request: web.Request) -> web.Response:
        fault = self.faults.get("list")
        if fault is not None and fault.refused is not None:
            raise fault.refused
        size = min(int(request.query.get("pageSize", 50)), 1000)
        start = int(request.query.get("pageToken", 0))
        page: Json = {"models": [model.listed() for model in self.models[start : start + size]]}
        if start + size < len(self.models):
            page["nextPageToken"] = str(start + size)
        answer = _json(page)
        if self.closes:
            answer.force_close()
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        return _json(self._model(request.match_info["model"], "GetModel").listed())

    async def _post(self, request: web.Request) -> web.StreamResponse:
        name, method = request.match_info["model"], request.match_info["method"]
        try:
            body: Json = json.loads(await request.read())
        except ValueError:
            raise invalid("Invalid JSON payload received.") from None
        self.requests.append((method, body))
        self.arrived.put_nowait(method)
        fault = self.faults.get(method)
        if fault is not None and fault.refused is not None:
            raise fault.refused
        model = self._model(name, method)
        match method:
            case "generateContent" | "streamGenerateContent":
                return await self._generate(request, model, body, stream=method != "generateContent")
            case "countTokens":
                return self._count(model, body)
            case "batchEmbedContents" | "embedContent":
                return self._embed(model, method, body)
            case _:
                raise web.HTTPNotFound

    def _model(self, name: str, method: str) -> FakeModel:
        """Who can generate can stream, and who can embed can do so in batches: the list does not say it."""
        needs = {"streamGenerateContent": "generateContent", "batchEmbedContents": "embedContent"}.get(
            method, method
        )
        for model in self.models:
            if model.id == name and (needs in model.methods or needs == "GetModel"):
                return model
        raise Refused(
            404,
            "NOT_FOUND",
            f"models/{name} is not found for API version v1beta, or is not supported for {method}. Call "
            "ListModels to see the list of available models and their supported methods.",
        )

    async def _generate(
        self, request: web.Request, model: FakeModel, body: Json, *, stream: bool
    ) -> web.StreamResponse:
        body = checked(body, model.id, self.script.signatures)
        check_thinking(body.get("generationConfig", {}), model.id, model.thinking)
        if count(body) > model.input_limit:
            raise invalid(
                f"The input token count ({count(body)}) exceeds the maximum number of tokens allowed "
                f"({model.input_limit})."
            )
        if self.blocked:
            feedback = {"promptFeedback": {"blockReason": self.blocked}, "usageMetadata": {"promptTokenCount": 4}}
            return await self._stream(request, _each(feedback)) if stream else _json(feedback)
        if stream:
            return await self._stream(request, self._frames(body, model))
        if self.hold is not None:
            await self.hold.wait()
        return _json(self.script.whole(body, model.id, model.thinking))

    async def _frames(self, body: Json, model: FakeModel) -> AsyncIterator[Json]:
        for frame in self.script.frames(body, model.id, model.thinking):
            yield frame
            if self.hold is not None:
                await self.hold.wait()

    async def _stream(self, request: web.Request, frames: AsyncIterator[Json]) -> web.StreamResponse:
        """Without alt=sse the real one sends a list of frames, which nobody here asks for."""
        if request.query.get("alt") != "sse":
            return _json([frame async for frame in frames])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        fault = self.faults.get("streamGenerateContent")
        written = 0
        async for frame in frames:
            if fault is not None and written == fault.after:
                await _misbehave(request, response, fault)
                break
            await response.write(f"data: {json.dumps(frame)}\r\n\r\n".encode())
            written += 1
        return response

    def _count(self, model: FakeModel, body: Json) -> web.Response:
        if "generateContentRequest" in body:
            inner = dict(body["generateContentRequest"])
            if inner.pop("model", "") != f"models/{model.id}":
                raise invalid(
                    "* CountTokensRequest.generate_content_request.model: unexpected model name format\n"
                )
            body = checked(inner, model.id, self.script.signatures)
        return _json({"totalTokens": count(body), "promptTokensDetails": [{"modality": "TEXT"}]})

    def _embed(self, model: FakeModel, method: str, body: Json) -> web.Response:
        wanted = body["requests"] if method == "batchEmbedContents" else [body]
        if len(wanted) > 100:
            raise invalid("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n")
        if any(each.get("model", f"models/{model.id}") != f"models/{model.id}" for each in wanted):
            raise invalid("* BatchEmbedContentsRequest.requests: model must match the batch's\n")
        vectors = [{"values": _vector(each)} for each in wanted]
        return _json({"embeddings": vectors} if method == "batchEmbedContents" else {"embedding": vectors[0]})


def _vector(wanted: Json) -> list[float]:
    text = "".join(part["text"] for part in wanted["content"]["parts"])
    size = wanted.get("outputDimensionality", 4)
    return [float(len(words(text)) + at) for at in range(size)]


async def _each(*frames: Json) -> AsyncIterator[Json]:
    for frame in frames:
        yield frame


def _json(value: object, status: int = 200) -> web.Response:
    """Google indents what it sends whole."""
    return web.Response(
        status=status, text=json.dumps(value, indent=2) + "\n", content_type="application/json", charset="UTF-8"
    )


async def _misbehave(request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
    error = Refused(503, "UNAVAILABLE", "The model is overloaded. canary").body()
    match fault.how:
        case "frame":
            await response.write(f"data: {json.dumps(error)}\r\n\r\n".encode())
        case "bare":
            await response.write(json.dumps(error, indent=2).encode() + b"\n")
        case "garbage":
            await response.write(b"data: <html>canary</html>\r\n\r\n")
        case "cut":
            assert request.transport is not None
            request.transport.abort()
        case "end":
            pass
