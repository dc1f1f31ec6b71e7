"""Both sides of each bound: a message's size, calls at once, streams on a connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.domain.events import Finished, Started, TextDelta
from app.domain.limits import Rate, Tier
from app.inference.stages.admit import Admit
from app.testing.providers import ScriptedProvider
from tests.grpc.server import ANSWER, ASK, LOCAL, failure, served
from tests.rest.gateway import eventually

MIB = 2**20


def sized(total: int) -> pb.ChatRequest:
    """A request of exactly so many bytes."""
    request = pb.ChatRequest(model="model", prompt="x" * total)
    return pb.ChatRequest(model="model", prompt="x" * (total - (request.ByteSize() - total)))


async def test_a_request_may_have_four_mebibytes_and_no_byte_more() -> None:
    async with served() as platform:
        assert sized(4 * MIB).ByteSize() == 4 * MIB
        assert (await platform.inference.ChatUnary(sized(4 * MIB))).text == "Hello"
        too_large = sized(4 * MIB + 1)
        for method in (platform.inference.ChatUnary, platform.inference.Chat):
            told = await failure(lambda call=method: call(too_large))
            assert told.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(platform.provider.exchanges) == 1
        assert (await platform.inference.ChatUnary(ASK)).text == "Hello"


async def test_the_bound_is_a_setting() -> None:
    async with served(message_bytes=1000) as platform:
        assert (await platform.inference.ChatUnary(sized(1000))).text == "Hello"
        told = await failure(lambda: platform.inference.ChatUnary(sized(1001)))
        assert told.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_answer_may_be_larger_if_its_caller_takes_it() -> None:
    script = [ANSWER[0], TextDelta(text="x" * (5 * MIB)), Finished(reason="stop")]
    unbounded = [("grpc.max_receive_message_length", -1)]
    async with served(ScriptedProvider(script), options=unbounded) as platform:
        assert len((await platform.inference.ChatUnary(ASK)).text) == 5 * MIB


async def test_calls_beyond_the_room_are_refused_at_once() -> None:
    hold = asyncio.Event()
    async with served(ScriptedProvider([hold, *ANSWER]), calls=3) as platform:
        calls = [platform.inference.ChatUnary(ASK) for _ in range(3)]
        await eventually(lambda: len(platform.provider.exchanges) == 3, 5)
        began = time.monotonic()
        told = await failure(lambda: platform.inference.ChatUnary(ASK))
        assert time.monotonic() - began < 0.1
        assert told.code() is grpc.StatusCode.UNAVAILABLE
        assert dict(told.trailing_metadata() or ())["retry-after"] == "1"
        hold.set()
        assert [(await call).text for call in calls] == ["Hello"] * 3
        assert (await platform.inference.ChatUnary(ASK)).text == "Hello"


async def test_streams_beyond_a_connections_share_wait_at_the_client() -> None:
    hold = asyncio.Event()
    async with served(ScriptedProvider([hold, *ANSWER]), streams_per_connection=2) as platform:
        calls = [platform.inference.ChatUnary(ASK) for _ in range(3)]
        await eventually(lambda: len(platform.provider.exchanges) == 2, 5)
        other = grpc.aio.insecure_channel(platform.target, options=[("grpc.use_local_subchannel_pool", 1)])
        async with other:
            ask = other.unary_unary(
                "/llm_platform.v1.Inference/ChatUnary", request_serializer=pb.ChatRequest.SerializeToString
            )
            elsewhere = ask(ASK)
            await eventually(lambda: len(platform.provider.exchanges) == 3, 5)
            hold.set()
            assert [(await call).text for call in calls] == ["Hello"] * 3
            await elsewhere


@pytest.mark.parametrize("size", [1 << 20, 3 * (1 << 20)])
async def test_a_large_prompt_arrives_whole(size: int) -> None:
    prompt = "Grüße " * (size // 8)
    async with served(
        ScriptedProvider([Started(id="i", model="m", created=1), Finished(reason="stop")])
    ) as platform:
        await platform.inference.ChatUnary(pb.ChatRequest(model="model", prompt=prompt))
        assert platform.provider.exchanges[0].request.messages[0].content[0].text == prompt


async def test_a_client_that_pings_too_often_is_sent_away() -> None:
    hasty = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with served(ScriptedProvider([*ANSWER[:2], asyncio.Event()]), options=hasty) as platform:
        async with asyncio.timeout(10):
            told = await failure(lambda: platform.inference.Chat(ASK))
        assert (told.code(), told.details()) == (grpc.StatusCode.UNAVAILABLE, "Too many pings")
        await eventually(lambda: platform.provider.closed)


async def test_a_client_that_fell_silent_without_a_word_is_given_up() -> None:
    provider = ScriptedProvider([*ANSWER[:2], asyncio.Event()])
    async with (
        served(provider, keep_alive_seconds=1) as platform,
        dead_end(platform.front_end.port) as (port, cut),
        grpc.aio.insecure_channel(f"{LOCAL}:{port}") as channel,
    ):
        call = InferenceStub(channel).Chat(ASK)
        await call.read()
        cut.set()
        await eventually(lambda: provider.closed, 10)
        call.cancel()


@asynccontextmanager
async def dead_end(port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A way to `port` that, once cut, lets nothing through and closes nothing, like a cable that was pulled."""
    cut, end = asyncio.Event(), asyncio.Event()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if cut.is_set():
                await end.wait()
            writer.write(data)
            await writer.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(LOCAL, port)
        ways = [asyncio.create_task(carry(reader, inner_writer)), asyncio.create_task(carry(inner_reader, writer))]
        await end.wait()
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        for each in (writer, inner_writer):
            each.close()

    async with await asyncio.start_server(connect, LOCAL, 0) as server:
        try:
            yield server.sockets[0].getsockname()[1], cut
        finally:
            end.set()


async def test_what_is_left_of_a_limit_stands_in_the_trailing_metadata() -> None:
    tier = Tier(name="small", rates=(Rate(unit="requests", limit=2),))
    admission = Admission(Tiers([tier], "small"), SharedLimits(MemoryLimits(clock=lambda: 0.0)))
    async with served(stages=[Admit(admission, lambda: 10)]) as platform:
        whole, streamed = platform.inference.ChatUnary(ASK), platform.inference.Chat(ASK)
        await whole
        assert [message async for message in streamed]
        told = [dict(await call.trailing_metadata()) for call in (whole, streamed)]
        refused = await failure(lambda: platform.inference.ChatUnary(ASK))
        told.append(dict(refused.trailing_metadata()))
    assert sorted(each["x-ratelimit-remaining-requests"] for each in told) == ["0", "0", "1"]
    assert {each["x-ratelimit-limit-requests"] for each in told} == {"2"}
    assert told[2]["retry-after"] == "61"
