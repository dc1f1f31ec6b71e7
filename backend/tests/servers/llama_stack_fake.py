"""A server that speaks Llama Stack's API as its two generations do, for tests: paths, records, errors, and streams
that end without [DONE].

It is held to the vendor's own client, and to OpenAI's, in tests/integration/llama_stack/test_fake.py. Beyond the
real one it remembers what it was asked (`requests`, `headers`); `hold` is waited for within an answer.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.servers.ollama_engines import ScriptedEngine, words

Json = dict[str, Any]

EARLY = "0.2.22"
CURRENT = "0.7.1"
NOW = 1_760_000_000


@dataclass
class StackModel:
    id: str
    provider: str = "ollama"
    type: Literal["llm", "embedding", "rerank"] = "llm"
    metadata: Json = field(default_factory=dict)


@dataclass
class StackProvider:
    """`health`: as the server gives it, an object of `status` and mostly a `message`."""

    id: str = "ollama"
    api: str = "inference"
    health: Json = field(default_factory=lambda: {"status": "OK"})


MODELS = (
    StackModel("ollama/llama3.2:3b"),
    StackModel("vllm/big", "vllm", metadata={"context_length": 32768}),
    StackModel("ollama/all-minilm", type="embedding", metadata={"embedding_dimension": 4, "context_length": 512}),
)
PROVIDERS = (
    StackProvider("ollama"),
    StackProvider("vllm"),
    StackProvider("faiss", "vector_io", {"status": "Not Implemented", "message": "No health check"}),
)


class LlamaStackFake:
    """`version` decides the generation. With an `api_key` every path but health and version wants it."""

    def __init__(
        self,
        version: str = CURRENT,
        *,
        models: Iterable[StackModel] = MODELS,
        providers: Iterable[StackProvider] = PROVIDERS,
        api_key: str = "",
        port: int = 0,
    ) -> None:
        self.version = version
        self.models = list(models)
        self.providers = [replace(each) for each in providers]
        self.engine = ScriptedEngine()
        self.hidden: set[str] = set()
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.base_url = ""
        self._api_key = api_key
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def early(self) -> bool:
        return self.version.startswith(("0.1.", "0.2.", "0.3."))

    @property
    def api(self) -> str:
        """The path of its OpenAI API."""
        return "/v1/openai/v1" if self.early else "/v1"

    async def __aenter__(self) -> "LlamaStackFake":
        app = web.Application(middlewares=[self._watch])
        app.add_routes(
            [
                web.get("/v1/health", self._health),
                web.get("/v1/version", self._version),
                web.get("/v1/providers", self._providers),
                web.get("/v1/models", self._models),
                web.post("/{api:v1|v1/openai/v1}/chat/completions", self._chat),
                web.post("/{api:v1|v1/openai/v1}/completions", self._complete),
                web.post("/{api:v1|v1/openai/v1}/embeddings", self._embed),
                web.post("/{api:v1|v1/openai/v1}/responses", self._respond),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body: Json = await request.json() if request.can_read_body else {}
        self.requests.append((request.path, body))
        self.headers.append(dict(request.headers))
        open_to_all = not self.early and request.path in ("/v1/health", "/v1/version")
        if self._api_key and not open_to_all and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return web.json_response({"error": {"message": "Authentication required"}}, status=401)
        if request.path in self.hidden:
            return web.json_response({"error": {"message": "Access denied"}}, status=403)
        if "api" in request.match_info and f"/{request.match_info['api']}" != self.api:
            return web.json_response({"detail": "Not Found"}, status=404)
        if "model" in body and all(model.id != body["model"] for model in self.models):
            return self._no_model(body["model"])
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "OK"})

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _providers(self, request: web.Request) -> web.Response:
        data = [
            {
                "api": each.api,
                "provider_id": each.id,
                "provider_type": f"remote::{each.id}",
                "config": {"url": "http://localhost:11434"},
                "health": each.health,
            }
            for each in self.providers
        ]
        return web.json_response({"data": data})

    async def _models(self, request: web.Request) -> web.Response:
        if self.early:
            return web.json_response({"data": [_early_record(model) for model in self.models]})
        return web.json_response({"object": "list", "data": [_record(model) for model in self.models]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        prompt = "\n".join(_text(message["content"]) for message in body["messages"])
        if body.get("stream"):
            return await _stream(request, self._chat_chunks(body, prompt))
        text, reason = await self._said(body, prompt)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "name": None, "tool_calls": None},
            "finish_reason": reason,
            "logprobs": None,
        }
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": NOW,
                "model": body["model"],
                "choices": [choice],
                "usage": _usage(prompt, text),
            }
        )

    async def _chat_chunks(self, body: Json, prompt: str) -> AsyncGenerator[Json, None]:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": NOW,
            "model": body["model"],
            "usage": None,
        }
        said = ""
        async for piece in self.engine.complete(prompt, _options(body), None):
            said += piece.text
            delta = {"content": piece.text or None, "refusal": None, "role": "assistant", "tool_calls": None}
            choice = {"index": 0, "delta": delta, "finish_reason": piece.reason or None, "logprobs": None}
            yield {**chunk, "choices": [choice]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**chunk, "choices": [], "usage": _usage(prompt, said)}

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        text, reason = await self._said(body, body["prompt"])
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        answer = {"id": "cmpl-1", "object": "text_completion", "created": NOW, "model": body["model"]}
        return web.json_response({**answer, "choices": [choice]})

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [
            {"object": "embedding", "index": place, "embedding": self.engine.embed(text)}
            for place, text in enumerate(texts)
        ]
        tokens = sum(self.engine.count(text) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "model": body["model"], "data": data, "usage": usage})

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        text, _ = await self._said(body, str(body["input"]))
        part = {"type": "output_text", "text": text, "annotations": []}
        message = {"type": "message", "id": "msg-1", "role": "assistant", "status": "completed", "content": [part]}
        used = _usage(str(body["input"]), text)
        usage = {
            "input_tokens": used["prompt_tokens"],
            "output_tokens": used["completion_tokens"],
            "total_tokens": used["total_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        return web.json_response(
            {
                "id": "resp-1",
                "object": "response",
                "created_at": NOW,
                "status": "completed",
                "model": body["model"],
                "output": [message],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": [],
                "text": {"format": {"type": "text"}},
                "usage": usage,
            }
        )

    async def _said(self, body: Json, prompt: str) -> tuple[str, str]:
        pieces = [piece async for piece in self.engine.complete(prompt, _options(body), None)]
        return "".join(piece.text for piece in pieces), pieces[-1].reason

    def _no_model(self, name: str) -> web.Response:
        message = f"Model '{name}' not found. Use 'client.models.list()' to list available Models."
        return web.json_response({"error": {"detail" if self.early else "message": message}}, status=404)


def _early_record(model: StackModel) -> Json:
    return {
        "identifier": model.id,
        "provider_resource_id": model.id.partition("/")[2],
        "provider_id": model.provider,
        "type": "model",
        "metadata": model.metadata,
        "model_type": model.type,
    }


def _record(model: StackModel) -> Json:
    """`created` is when it was asked for, not when the model was."""
    return {
        "id": model.id,
        "object": "model",
        "created": time.monotonic_ns(),
        "owned_by": "ogx",
        "custom_metadata": {
            "model_type": model.type,
            "provider_id": model.provider,
            "provider_resource_id": model.id.partition("/")[2],
            **model.metadata,
        },
    }


async def _stream(request: web.Request, chunks: AsyncGenerator[Json, None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
        await asyncio.sleep(0)
    await response.write_eof()
    return response


def _options(body: Json) -> Json:
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens")
    return {"num_predict": limit} if limit else {}


def _usage(prompt: str, said: str) -> Json:
    read, written = len(words(prompt)), len(words(said))
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _text(content: object) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)  # type: ignore[attr-defined]
