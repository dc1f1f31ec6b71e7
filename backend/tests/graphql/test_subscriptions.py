"""Subscriptions over a real socket: what they tell, and that leaving closes the upstream."""

import asyncio
import time

import pytest

from app.domain.errors import UpstreamUnavailable
from app.domain.events import (
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.testing.providers import ScriptedProvider
from tests.graphql.client import connected
from tests.graphql.gateway import ANSWER, gateway
from tests.rest.gateway import eventually
from tests.servers.routing import PRICED

GENERATE = """
subscription {
  generate(model: "model", prompt: "hi") {
    kind: __typename
    ... on Started { id model }
    ... on TextDelta { text }
    ... on ReasoningDelta { text signature }
    ... on RefusalDelta { text }
    ... on ToolCallStarted { index id name }
    ... on ToolCallDelta { index arguments }
    ... on Done { finishReason tokens cost usage { inputTokens outputTokens cachedTokens } }
  }
}
"""
START = Started(id="gen-1", model="model", created=1)
FULL = (
    START,
    ReasoningDelta(text="hm", signature="s"),
    TextDelta(text="a"),
    TextDelta(text=""),
    RefusalDelta(text="no"),
    ToolCallStarted(index=0, id="c", name="look"),
    ToolCallDelta(index=0, arguments="{}"),
    Finished(reason="tool_calls"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2, cached_tokens=1)),
)


async def test_an_answer_piece_by_piece() -> None:
    async with gateway(ScriptedProvider(FULL)) as platform, connected(platform.url) as client:
        await client.subscribe(GENERATE)
        *told, end = await client.until_end()
        assert end == {"id": "1", "type": "complete"}
        assert [each["payload"]["data"]["generate"] for each in told] == [
            {"kind": "Started", "id": "gen-1", "model": "model"},
            {"kind": "ReasoningDelta", "text": "hm", "signature": "s"},
            {"kind": "TextDelta", "text": "a"},
            {"kind": "RefusalDelta", "text": "no"},
            {"kind": "ToolCallStarted", "index": 0, "id": "c", "name": "look"},
            {"kind": "ToolCallDelta", "index": 0, "arguments": "{}"},
            {
                "kind": "Done",
                "finishReason": "TOOL_CALLS",
                "tokens": 5,
                "cost": None,
                "usage": {"inputTokens": 3, "outputTokens": 2, "cachedTokens": 1},
            },
        ]
        assert platform.provider.closed == 1
        assert platform.provider.exchanges[0].stream


async def test_what_an_answer_cost() -> None:
    async with gateway() as platform, connected(platform.url) as client:
        platform.context.router.catalog.rebuild(PRICED)
        await client.subscribe(GENERATE)
        *_, done, _ = await client.until_end()
        assert done["payload"]["data"]["generate"]["cost"] == 203e-6


async def test_an_upstream_that_dies_in_mid_stream_is_told() -> None:
    script = (START, TextDelta(text="a"), UpstreamUnavailable("It broke.", provider="scripted"))
    async with gateway(ScriptedProvider(script)) as platform, connected(platform.url) as client:
        await client.subscribe(GENERATE)
        *told, end = await client.until_end()
        assert len(told) == 2
        assert (end["type"], end["id"]) == ("error", "1")
        [error] = end["payload"]
        assert error["message"] == "It broke."
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert error["extensions"]["requestId"].startswith("req-")


async def test_unsubscribing_closes_the_upstream_and_the_socket_goes_on() -> None:
    never = asyncio.Event()
    provider = ScriptedProvider((START, TextDelta(text="a"), never), ANSWER)
    async with gateway(provider) as platform, connected(platform.url) as client:
        await client.subscribe(GENERATE)
        await client.receive()
        await client.receive()
        began = time.perf_counter()
        await client.send(type="complete", id="1")
        await eventually(lambda: provider.closed == 1)
        assert time.perf_counter() - began < 0.5
        assert platform.context.recent.last(1)[0].record.outcome == "cancelled"
        await client.subscribe(GENERATE, id="1")
        assert (await client.until_end())[-1]["type"] == "complete"


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize("script", [(asyncio.Event(),), (START, TextDelta(text="a"), asyncio.Event())])
async def test_a_client_that_leaves_closes_the_upstream(script: tuple[object, ...], abrupt: bool) -> None:
    provider = ScriptedProvider(script)  # type: ignore[arg-type]
    async with gateway(provider) as platform:
        async with connected(platform.url) as client:
            await client.subscribe(GENERATE)
            await eventually(lambda: provider.exchanges)
            if abrupt:
                client.socket.transport.abort()
            else:
                await client.socket.close()
            await eventually(lambda: provider.closed == 1)
        await eventually(lambda: platform.context.tally.snapshot().active == 0)


async def test_a_client_that_leaves_a_mutation_closes_the_upstream() -> None:
    provider = ScriptedProvider((START, asyncio.Event()))
    async with gateway(provider) as platform:
        asking = asyncio.create_task(
            platform.ask('mutation { generateText(model: "model", prompt: "hi") { id } }')
        )
        await eventually(lambda: provider.exchanges)
        asking.cancel()
        await eventually(lambda: provider.closed == 1)
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_several_operations_share_a_socket() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider((START, gate, TextDelta(text="a"), Finished(reason="stop")))
    async with gateway(provider) as platform, connected(platform.url) as client:
        for id in ("a", "b"):
            await client.subscribe(GENERATE, id=id)
        await eventually(lambda: len(provider.exchanges) == 2)
        await client.subscribe("{ models { id } }", id="c")
        ends = []
        while len(ends) < 3:
            message = await client.receive()
            if message["type"] == "complete":
                ends.append(message["id"])
                gate.set()
        assert ends[0] == "c"
        assert sorted(ends) == ["a", "b", "c"]


async def test_a_models_status_now_and_when_it_changes() -> None:
    async with gateway() as platform, connected(platform.url) as client:
        shown = {"model": ("AVAILABLE",)}
        await client.subscribe("subscription ModelUpdates { modelStatusUpdates { id status } }")
        first = (await client.receive())["payload"]["data"]["modelStatusUpdates"]
        assert first == {"id": "model", "status": shown["model"][0]}
        catalog = platform.context.router.catalog
        catalog.rebuild()
        platform.provider._models = ()
        catalog.rebuild()
        second = (await client.receive())["payload"]["data"]["modelStatusUpdates"]
        assert second == {"id": "model", "status": "REMOVED"}
        await client.send(type="complete", id="1")
        await eventually(lambda: not catalog._watchers)


async def test_figures_when_they_have_changed() -> None:
    async with gateway() as platform, connected(platform.url) as client:
        await client.subscribe("subscription { metrics(intervalSeconds: 0.1) { total { requests } } }")
        first = (await client.receive())["payload"]["data"]["metrics"]
        assert first == {"total": {"requests": 0}}
        await platform.data('mutation { generateText(model: "model", prompt: "hi") { id } }')
        second = (await client.receive())["payload"]["data"]["metrics"]
        assert second == {"total": {"requests": 1}}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.35):
                await client.receive()


@pytest.mark.parametrize("interval", ["0", "0.01", "-1"])
async def test_figures_come_no_faster_than_allowed(interval: str) -> None:
    async with gateway() as platform, connected(platform.url) as client:
        await client.subscribe(f"subscription {{ metrics(intervalSeconds: {interval}) {{ active }} }}")
        end = await client.receive()
        assert end["type"] == "error"
        assert end["payload"][0]["extensions"]["param"] == "intervalSeconds"


async def test_a_stopping_platform_lets_answers_end_and_takes_no_more() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider((START, gate, TextDelta(text="a"), Finished(reason="stop")))
    async with gateway(provider) as platform, connected(platform.url) as client:
        front_end = platform.context.manager.get_integration("graphql")
        await client.subscribe("subscription { metrics { active } }", id="endless")
        await client.subscribe(GENERATE, id="answer")
        await eventually(lambda: provider.exchanges)
        draining = asyncio.create_task(front_end.drain(10))  # type: ignore[attr-defined]
        ends = {}
        await client.subscribe("{ models { id } }", id="late")
        while len(ends) < 3:
            message = await client.receive()
            if message["type"] in {"complete", "error"}:
                ends[message["id"]] = message
                if len(ends) == 2:
                    gate.set()
        assert (ends["endless"]["type"], ends["answer"]["type"]) == ("complete", "complete")
        assert ends["late"]["payload"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert (await client.closed())[0] == 1001
        await draining
