"""Secrets through every path that ends in words: none is found in the log, in traces, or in what callers are told.

One canary is the platform's key at its provider, known from the settings alone; the other is what callers send.
"""

import io
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from app.bootstrap import keep_secret
from app.domain.errors import UpstreamError
from app.inference import request_log
from app.integrations.monitoring.opentelemetry import OpenTelemetryIntegration
from app.logs import configure_logging
from tests.servers.front_ends import FRONT_ENDS
from tests.servers.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = "canary+of/ours~0123456789"
"""It looks like no key that anybody knows."""

THEIRS = "sk-canary-of-theirs-0123456789"

Leak = Callable[[web.Request, str], web.Response]


def _error(status: int) -> Leak:
    def leak(request: web.Request, shown: str) -> web.Response:
        return web.json_response(
            {"error": {"message": f"bad: {shown}", "type": shown, "code": shown}}, status=status
        )

    return leak


LEAKS: dict[str, Leak] = {
    "400": _error(400),
    "401": _error(401),
    "404": _error(404),
    "429": _error(429),
    "500": _error(500),
    "text": lambda request, shown: web.Response(text=f"<html>{shown}</html>", status=502),
    "garbage": lambda request, shown: web.Response(text=f"{{{shown}"),
    "wrong": lambda request, shown: web.json_response({"choices": shown, "id": [shown]}),
    "event": lambda request, shown: web.Response(
        text=f'data: {{"error": {{"message": "{shown}"}}}}\n\n', content_type="text/event-stream"
    ),
    "broken event": lambda request, shown: web.Response(
        text=f"data: {{{shown}\n\n", content_type="text/event-stream"
    ),
    "redirect": lambda request, shown: web.Response(status=302, headers={"location": f"https://x/?key={shown}"}),
}
"""What an upstream may do with the key that it was sent: by the model's name."""


class Watched(msgspec.Struct):
    whole: Whole
    receiver: OtlpReceiver
    log: io.StringIO


async def _models(request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": name} for name in LEAKS]})


async def _leaky(request: web.Request) -> web.Response:
    body = await request.json()
    return LEAKS[body["model"]](request, request.headers["authorization"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def leaky() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/{path:.*}", _leaky)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["text", "json"])
async def watched(
    request: pytest.FixtureRequest, leaky: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    log, root = io.StringIO(), logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        patch.setattr(sys, "stderr", log)
        patch.setattr(request_log, "sys", SimpleNamespace(stderr=log))
        configure_logging("debug", request.param)
        async with otlp_receiver() as receiver:
            integrations = {
                "opentelemetry": {"settings": {"endpoint": receiver.http, "instrument": ["sqlalchemy"]}},
                "leaky": {"kind": "openai_compatible", "settings": {"base_url": leaky, "api_key": OURS}},
            }
            sections = {"routing": {"breaker": {"failures": 0}}, "log_format": request.param}
            folder = tmp_path_factory.mktemp("watched")
            async with whole_platform(folder, integrations=integrations, **sections) as whole:
                keep_secret(whole.platform._loaded)
                await whole.serves("opentelemetry")
                yield Watched(whole, receiver, log)
    root.handlers[:], sys.excepthook = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(False)


KEY = {"Authorization": "Bearer sk-test-master"}


async def found_in(watched: Watched, *told: str | bytes) -> list[str]:
    """Where a canary was seen."""
    integration = watched.whole.platform.manager.get_integration("opentelemetry")
    assert isinstance(integration, OpenTelemetryIntegration)
    with integration.create_span("the last") as last:
        trace = f"{last.get_span_context().trace_id:032x}"
    await watched.receiver.of(trace, 1)
    watched.whole.platform._request_log.flush()
    metrics = (await get(watched.whole.port, "/metrics", KEY)).body
    places = {
        "metrics": metrics.decode(),
        "the log": watched.log.getvalue(),
        "traces": b"".join(watched.receiver.raw).decode("latin-1"),
        "answers": "".join(each.decode("latin-1") if isinstance(each, bytes) else each for each in told),
    }
    return [place for place, text in places.items() if "canary" in text]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_upstreams_that_repeat_their_key(watched: Watched, path: str, stream: bool) -> None:
    """What an answer that succeeds says is the model's word: it is handed on as it came."""
    replies = {}
    for leak in LEAKS:
        body = {"model": f"leaky/{leak}", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        replies[leak] = await post(watched.whole.port, path, {**body, "max_tokens": 9}, KEY)
    assert await found_in(watched) == []
    told = {leak for leak, reply in replies.items() if "canary" in f"{reply.headers} {reply.body!r}"}
    assert told <= {"wrong", "broken event"}


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
async def test_callers_with_a_key_that_is_not_known(watched: Watched, header: str) -> None:
    value = f"Bearer {THEIRS}" if header == "Authorization" else THEIRS
    for ask in FRONT_ENDS.values():
        with suppress(Exception):  # a handshake that is refused
            await ask(watched.whole, "echo", {header: value})
    assert await found_in(watched) == []
    assert "callers without a good key" in watched.log.getvalue()


async def test_a_key_in_the_wrong_place(watched: Watched) -> None:
    port = watched.whole.port
    replies = [
        await get(port, f"/v1/models?api_key={THEIRS}", KEY),
        await get(port, f"/ws/chat?token={THEIRS}", KEY),
        await post(
            port, "/v1/chat/completions", {"model": THEIRS, "messages": []}, {"x-api-key": "sk-test-master"}
        ),
    ]
    # A model of that name is not known, and the one who asked is told so.
    assert set(await found_in(watched, *(reply.body for reply in replies[:2]))) <= {"answers"}


def _raises(error: BaseException) -> Callable[..., Any]:
    async def chat(exchange: Any) -> Any:
        raise error

    return chat


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"no header {{'Authorization': 'Bearer {OURS}'}}"),
        UpstreamError("failed", provider="leaky"),
        KeyError(OURS),
        ConnectionError(f"https://user:{OURS}@host"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_defect_in_an_integration(
    watched: Watched, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback is in the log, and the canary not in that."""
    integration = watched.whole.platform.manager.get_integration("leaky")
    error.__cause__ = RuntimeError(f"because of {OURS}")
    monkeypatch.setattr(integration, "chat", _raises(error))
    body = {"model": "leaky/400", "messages": [{"role": "user", "content": "Hi"}]}
    reply = await post(watched.whole.port, "/v1/chat/completions", body, KEY)
    assert reply.status >= 500
    assert await found_in(watched, reply.body) == []


async def test_a_span_of_a_library(watched: Watched) -> None:
    integration: Any = watched.whole.platform.manager.get_integration("opentelemetry")
    tracer = integration._telemetry.tracer
    with tracer.start_as_current_span(
        f"GET https://u:{OURS}@host", attributes={"url.query": f"key={OURS}"}
    ) as span:
        span.record_exception(ValueError(OURS))
        span.add_event("sent", {"headers": (f"Bearer {THEIRS}",)})
    assert await found_in(watched) == []
    assert "[redacted]" in b"".join(watched.receiver.raw).decode("latin-1")
