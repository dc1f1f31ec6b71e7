"""Hugging Face's router as its documentation shows it, for tests: its list, chat by any provider, embeddings by
its own servers. It is held to the official client in tests/integration/huggingface/test_fake.py.

`records` are what it lists, `requests` and `headers` what it was asked. Chat and embeddings want `token`.
"""

import json
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.servers.ollama_engines import ScriptedEngine, words

Json = dict[str, Any]

TOKEN = "hf_canary"
DEEPSEEK = "deepseek-ai/DeepSeek-V4-Pro"
EMBEDDER = "BAAI/bge-small-en-v1.5"
BY_TOKEN = "google-bert/bert-base-uncased"

# https://huggingface.co/docs/inference-providers/hub-api, shortened.
RECORDS: list[Json] = [
    {
        "id": DEEPSEEK,
        "object": "model",
        "created": 1776837885,
        "owned_by": "deepseek-ai",
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "providers": [
            {
                "provider": "novita",
                "status": "live",
                "context_length": 1048576,
                "pricing": {"input": 1.69, "output": 3.38},
                "supports_tools": True,
                "supports_structured_output": False,
                "throughput": 24.69,
                "is_model_author": False,
            },
            {
                "provider": "together",
                "status": "live",
                "context_length": 512000,
                "pricing": {"input": 2.1, "output": 4.4},
                "supports_tools": True,
                "supports_structured_output": True,
            },
            {"provider": "featherless-ai", "status": "live", "is_model_author": False},
            {"provider": "deepinfra", "status": "error", "context_length": 4194304, "supports_tools": True},
        ],
    },
    {
        "id": "moonshotai/Kimi-K3",
        "object": "model",
        "created": 1780000000,
        "owned_by": "moonshotai",
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "providers": [{"provider": "baseten", "status": "error", "context_length": 262144}],
    },
]


class HuggingFaceFake:
    def __init__(self) -> None:
        self.records = list(RECORDS)
        self.engine = ScriptedEngine()
        self.requests: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.base_url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "HuggingFaceFake":
        app = web.Application(middlewares=[self._watch])
        app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.get("/v1/models/{id:.+}", self._model),
                web.post("/v1/chat/completions", self._chat),
                web.post("/hf-inference/models/{id:.+}/pipeline/feature-extraction", self._embed),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.path, await request.json() if request.can_read_body else {}))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.method == "POST" and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Invalid username or password."}, status=401)
        return await handler(request)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.records})

    async def _model(self, request: web.Request) -> web.Response:
        found = [each for each in self.records if each["id"] == request.match_info["id"]]
        return web.json_response(found[0]) if found else web.json_response({"error": "not found"}, status=404)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body: Json = await request.json()
        name = body["model"].partition(":")[0]
        if all(each["id"] != name for each in self.records):
            error = {
                "message": f"The requested model '{name}' does not exist",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            }
            return web.json_response({"error": error}, status=400)
        said = self.engine.answer
        head = {"id": "chatcmpl-1", "created": 1, "model": name}
        usage = {"prompt_tokens": 4, "completion_tokens": len(words(said)), "total_tokens": 4 + len(words(said))}
        if not body.get("stream"):
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in words(said):
            choice = {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}
            await response.write(_frame({**head, "object": "chat.completion.chunk", "choices": [choice]}))
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        last = {**head, "object": "chat.completion.chunk", "choices": [choice], "usage": usage}
        await response.write(_frame(last) + b"data: [DONE]\n\n")
        return response

    async def _embed(self, request: web.Request) -> web.Response:
        """A text alone is answered with its vector alone, as the real one does."""
        inputs = (await request.json())["inputs"]
        name = request.match_info["id"]
        if name not in (EMBEDDER, BY_TOKEN):
            return web.json_response({"error": f"Model {name} does not exist"}, status=404)
        texts = [inputs] if isinstance(inputs, str) else inputs
        vectors: list[Any] = [self.engine.embed(text) for text in texts]
        if name == BY_TOKEN:
            vectors = [[vector, vector] for vector in vectors]
        return web.json_response(vectors[0] if isinstance(inputs, str) else vectors)


def _frame(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
