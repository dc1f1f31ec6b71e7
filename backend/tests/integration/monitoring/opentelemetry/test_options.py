"""What is off by default, switched on: prompts and answers, and spans of libraries. In a whole platform."""

import json
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.monitoring.opentelemetry.test_spans import CALLER, Traced
from tests.servers.front_ends import FRONT_ENDS, SAID
from tests.servers.otlp_receiver import otlp_receiver
from tests.servers.raw_client import get
from tests.servers.whole_platform import whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        async with otlp_receiver() as receiver:
            settings = {
                "endpoint": receiver.http,
                "content": True,
                "content_length": 100,
                "instrument": "fastapi, aiohttp, sqlalchemy",
            }
            integrations = {"opentelemetry": {"settings": settings}}
            folder = tmp_path_factory.mktemp("options")
            async with whole_platform(folder, key=None, integrations=integrations) as whole:
                await whole.serves("opentelemetry")
                yield Traced(whole, receiver)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
async def test_what_was_said(traced: Traced, front_end: str) -> None:
    """Whatever the wire format, passed on or translated. No library adds a span of its own to a call."""
    trace = secrets.token_hex(16)
    await FRONT_ENDS[front_end](traced.whole, "echo", {"traceparent": f"00-{trace}-{CALLER}-01"})
    server, client = await traced.receiver.of(trace, 2)
    assert (server.kind, client.kind) == ("SERVER", "CLIENT")
    (asked,) = json.loads(client.attributes["gen_ai.input.messages"])
    (answered,) = json.loads(client.attributes["gen_ai.output.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": SAID}]}
    assert answered == {
        "role": "assistant",
        "parts": [{"type": "text", "content": SAID}],
        "finish_reason": "stop",
    }


async def test_an_admin_route_and_its_sql(traced: Traced) -> None:
    trace = secrets.token_hex(16)
    reply = await get(traced.whole.port, "/v1/keys", {"traceparent": f"00-{trace}-{CALLER}-01"})
    assert reply.status == 200
    spans = await traced.receiver.of(trace, 2)
    route = spans[0]
    assert (route.name, route.kind, route.parent) == ("GET /v1/keys", "SERVER", CALLER)
    assert "SELECT" in {span.name for span in spans[1:]} <= {"BEGIN", "SELECT"}
    assert {span.parent for span in spans[1:]} == {route.id}
