"""Whichever way the same is asked twice, one after the other or at once, the provider is asked once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
import pytest_asyncio

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.domain.chat import ChatRequest, Message, Sampling, TextPart
from app.inference.policy import CachePolicy
from tests.contract.parity.gateway import KEY, Wait
from tests.contract.parity.matrix import Platform, platform
from tests.contract.parity.outcome import Asking, FrontEnd, Heard, Outcome
from tests.contract.parity.scenarios import HELLO
from tests.rest.gateway import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
HI = Message(role="user", content=(TextPart(text="hi"),))
ASKING = Asking(
    request=ChatRequest(model="model", messages=(HI,), sampling=Sampling(max_output_tokens=64)), key=KEY
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything() -> AsyncIterator[Platform]:
    async with platform() as started:
        yield started


async def heard(front_end: FrontEnd) -> Outcome:
    folded = Heard()
    async with aclosing(front_end.ask(ASKING)) as pieces:
        async for piece in pieces:
            folded.add(piece)
    return folded.outcome(record=None, closed=0, asked=())


async def test_what_was_asked_before_is_answered_alike(everything: Platform) -> None:
    gateway = everything.gateway
    for front_end in everything.front_ends:
        gateway.play(HELLO, cache=CachePolicy())
        first = await heard(front_end)
        await eventually(lambda: gateway.kept.size)
        assert (await heard(front_end), first.text) == (first, "Hello"), front_end.name
        await eventually(lambda: gateway.settled)
        assert [record.cached for record in gateway.records] == [None, "hit"], front_end.name
        assert len(gateway.asked) == 1, front_end.name


async def test_what_is_asked_at_once_is_answered_alike_and_one_may_leave(everything: Platform) -> None:
    gateway = everything.gateway
    for front_end in everything.front_ends:
        gateway.play((*HELLO[:1], Wait.FOR_THE_READER, *HELLO[1:]), cache=CachePolicy())
        tasks = [asyncio.create_task(heard(front_end)) for _ in range(3)]
        await eventually(lambda: len(gateway.begun) == 3, 5.0)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        await eventually(lambda: len(gateway.records) == 1)
        gateway.read.set()
        second, third = await asyncio.gather(*tasks[1:])
        assert (third, second.text) == (second, "Hello"), front_end.name
        await eventually(lambda: gateway.settled)
        assert len(gateway.asked) == 1, front_end.name
        told = [(record.outcome, record.cached) for record in gateway.records]
        assert told[0][0] == "cancelled", front_end.name
        assert sorted(str(cached) for _, cached in told) == ["None", "coalesced", "coalesced"], front_end.name


async def test_over_grpc_the_metadata_tell_and_ask(everything: Platform) -> None:
    gateway = everything.gateway
    gateway.play(HELLO, cache=CachePolicy())
    key = ("authorization", f"Bearer {KEY}")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:

        async def ask(*metadata: tuple[str, str]) -> tuple[str | None, str, str]:
            call = InferenceStub(channel).ChatUnary(
                pb.ChatRequest(model="model", prompt="hi"), metadata=(key, *metadata)
            )
            await call
            told = {name: str(value) for name, value in await call.initial_metadata()}
            return told.get("x-llm-cache"), told["x-llm-provider"], told["x-llm-attempts"]

        assert await ask() == ("miss", "provider-0", "1")
        await eventually(lambda: gateway.kept.size)
        assert await ask() == ("hit", "cache", "0")
        assert await ask(("cache-control", "no-cache")) == ("miss", "provider-0", "1")
        assert await ask(("cache-control", "no-store")) == (None, "provider-0", "1")
