"""Every scenario through every front-end: one gateway, one cell after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import grpc
import httpx
import msgspec

from tests.contract.parity.anthropic_messages import AnthropicMessages
from tests.contract.parity.gateway import Gateway, gateway
from tests.contract.parity.graphql_api import Generate, GenerateText
from tests.contract.parity.grpc_api import GrpcChat
from tests.contract.parity.openai_chat import OpenAIChat
from tests.contract.parity.openai_responses import OpenAIResponses
from tests.contract.parity.outcome import Fault, FrontEnd, Heard, Outcome, Text, bare
from tests.contract.parity.scenarios import Scenario
from tests.contract.parity.websocket_chat import WebSocketChat
from tests.rest.gateway import eventually

RELEASE_SECONDS = 0.5
"""How soon an upstream is let go of when its caller has left: a promise of the platform."""


class Platform(msgspec.Struct):
    gateway: Gateway
    front_ends: Sequence[FrontEnd]


@asynccontextmanager
async def platform() -> AsyncIterator[Platform]:
    async with (
        gateway() as served,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", trust_env=False) as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{served.grpc_port}") as channel,
    ):
        front_ends: list[FrontEnd] = [
            OpenAIChat(client, streams=False),
            OpenAIChat(client, streams=True),
            AnthropicMessages(client, streams=False),
            AnthropicMessages(client, streams=True),
            OpenAIResponses(client, streams=False),
            OpenAIResponses(client, streams=True),
            GenerateText(client),
            Generate(served.port),
            GrpcChat(channel, streams=False),
            GrpcChat(channel, streams=True),
            WebSocketChat(served.port),
        ]
        yield Platform(served, front_ends)


def why_not(front_end: FrontEnd, scenario: Scenario) -> str | None:
    """Why the front-end can't express the scenario; None when it can."""
    if scenario.needs is None:
        return None
    if scenario.needs == "pieces":
        return None if front_end.streams else "the answer comes whole"
    if scenario.needs == "one piece":
        return "the caller has seen the beginning" if front_end.streams else None
    return front_end.lacks.get(scenario.needs)


def wanted(front_end: FrontEnd, scenario: Scenario) -> Outcome:
    """The same for all, but for one thing: an answer that comes whole comes not at all when it breaks."""
    expected = msgspec.structs.replace(scenario.wanted, asked=scenario.asked)
    if expected.finish is None and not front_end.streams:
        return msgspec.structs.replace(expected, text="")
    return expected


async def outcome(served: Gateway, front_end: FrontEnd, scenario: Scenario) -> Outcome:
    served.play(
        *scenario.scripts,
        timeouts=scenario.timeouts,
        refusal=scenario.refusal,
        window=scenario.window,
        tier=scenario.tier,
        before=scenario.before,
    )
    heard = Heard()
    task = asyncio.create_task(_listen(served, front_end, scenario, heard))
    async with asyncio.timeout(10):
        if scenario.leaves:
            await _leave(served, front_end, heard, task)
        else:
            await task
    await eventually(lambda: served.settled, RELEASE_SECONDS)
    records = [record.outcome for record in served.records]
    assert len(records) <= 1, "a call is booked once"
    return heard.outcome(
        record=records[0] if records and scenario.booked else None,
        closed=sum(provider.closed for provider in served.providers),
        asked=tuple(bare(exchange.request) for exchange in served.asked),
    )


async def _listen(served: Gateway, front_end: FrontEnd, scenario: Scenario, heard: Heard) -> None:
    try:
        async with aclosing(front_end.ask(scenario.asking)) as pieces:
            async for piece in pieces:
                heard.add(piece)
                if isinstance(piece, Text):
                    served.read.set()
    except Fault as fault:
        heard.fault = fault


async def _leave(served: Gateway, front_end: FrontEnd, heard: Heard, task: "asyncio.Task[None]") -> None:
    """As soon as there is something to leave."""
    await eventually(lambda: served.answering and (heard.text or not front_end.streams), 5.0)
    task.cancel()
    await asyncio.wait([task])
