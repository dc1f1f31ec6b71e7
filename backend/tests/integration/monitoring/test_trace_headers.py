"""Without a tracer, what callers say of their trace reaches the upstream: by every front-end and provider."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from app.core.integration_framework import IntegrationConfig
from app.core.integration_framework.discovery import Registry
from app.domain.chat import ChatRequest, CompletionRequest, Message, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import PlatformError
from app.domain.exchange import Exchange
from app.domain.tracing import received
from app.integrations.builtin import BUILTIN
from tests.servers.front_ends import FRONT_ENDS
from tests.servers.whole_platform import Whole, whole_platform

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "vendor=1"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("whole"), key=None) as whole:
        yield whole


@pytest.mark.parametrize("front_end", FRONT_ENDS)
async def test_every_front_end(whole: Whole, front_end: str) -> None:
    await FRONT_ENDS[front_end](whole, "echo", {"traceparent": PARENT, "tracestate": STATE})
    headers = whole.peer.headers[-1]
    assert (headers.get("traceparent"), headers.get("tracestate")) == (PARENT, STATE)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
async def test_nonsense_is_nobodys_harm(whole: Whole, front_end: str) -> None:
    before = whole.peer.asked
    await FRONT_ENDS[front_end](whole, "echo", {"traceparent": "nonsense"})
    assert whole.peer.asked == before + 1
    assert "traceparent" not in whole.peer.headers[-1]


CHAT = ChatRequest(model="m", messages=(Message(role="user", content=(TextPart(text="Hi"),)),))
PROVIDERS: dict[str, tuple[str, Any, Any]] = {
    "openai_compatible": ("openai_compatible", "chat", CHAT),
    "openai_compatible, vectors": ("openai_compatible", "embed", EmbeddingRequest(model="m", inputs=("a",))),
    "llama_stack": ("llama_stack", "chat", CHAT),
    "anthropic": ("anthropic", "chat", CHAT),
    "gemini": ("gemini", "chat", CHAT),
    "gemini, vectors": ("gemini", "embed", EmbeddingRequest(model="m", inputs=("a",))),
    "ollama": ("ollama", "chat", CHAT),
    "ollama, text": ("ollama", "complete", CompletionRequest(model="m", prompts=("a",))),
    "ollama, vectors": ("ollama", "embed", EmbeddingRequest(model="m", inputs=("a",))),
    "huggingface_hub": ("huggingface_hub", "chat", CHAT),
    "huggingface_hub, vectors": ("huggingface_hub", "embed", EmbeddingRequest(model="a/m", inputs=("a",))),
}
"""Each way to an upstream: the kind, the method of its port, what is asked."""

LISTED = {
    "object": "list",
    "data": [{"id": "m", "object": "model", "created": 1, "type": "model", "display_name": "m"}],
    "models": [{"name": "m", "model": "m"}],
    "capabilities": ["completion", "embedding"],
    "version": "99.0.0",
}
"""A listing in everybody's format."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """Its address, and the headers of each question that it refused. It lists a model and answers nothing."""
    asked: list[dict[str, str]] = []

    async def serve(request: web.Request) -> web.Response:
        if request.method == "GET" or request.path == "/api/show":
            return web.json_response(LISTED)
        asked.append({name.lower(): value for name, value in request.headers.items()})
        return web.json_response({}, status=500)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_provider(upstream: tuple[str, list[dict[str, str]]], provider: str) -> None:
    (url, asked), (kind, method, request) = upstream, PROVIDERS[provider]
    trace = received(PARENT, STATE)
    assert trace is not None
    cls = await Registry(BUILTIN).load(kind)
    integration: Any = cls(IntegrationConfig(name=kind, settings={"base_url": url, "api_key": "none"}))
    await integration.initialize()
    try:
        exchange = Exchange(model=request.model, decode=lambda: request, trace=trace.headers("00000000000000aa"))
        with pytest.raises(PlatformError):
            await getattr(integration, method)(exchange)
    finally:
        await integration.shutdown()
    assert asked[-1]["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01"
    assert asked[-1]["tracestate"] == STATE
