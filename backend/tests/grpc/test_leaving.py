"""Callers that leave, deadlines that pass, upstreams that break, readers that stall."""

import asyncio
import time

import grpc
import pytest

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.domain.errors import UpstreamUnavailable
from app.domain.events import StreamEvent, TextDelta
from app.testing.providers import ScriptedProvider, Step
from tests.grpc.server import ANSWER, ASK, LOCAL, failure, served
from tests.rest.gateway import eventually
from tests.servers.routing import ONE_MORE


@pytest.mark.parametrize("method", ["Chat", "ChatUnary", "Embed"])
@pytest.mark.parametrize("phase", ["waiting for the first event", "in the middle"])
async def test_a_caller_that_leaves_closes_the_upstream_within_half_a_second(method: str, phase: str) -> None:
    before: tuple[Step, ...] = () if phase.startswith("waiting") else ANSWER[:2]
    async with served(ScriptedProvider([*before, asyncio.Event()])) as platform:
        request = pb.EmbedRequest(model="model", inputs=["a"]) if method == "Embed" else ASK
        call = getattr(platform.inference, method)(request)
        if method == "Chat" and before:
            assert (await call.read()).WhichOneof("event") == "started"
        await eventually(lambda: platform.provider.exchanges, 5)
        call.cancel()
        await eventually(lambda: platform.provider.closed and platform.records)
        assert platform.records[0].outcome == "cancelled"
        assert platform.tally.snapshot().active == 0


async def test_a_connection_that_breaks_closes_its_upstreams() -> None:
    async with served(ScriptedProvider([*ANSWER[:2], asyncio.Event()])) as platform:
        channel = grpc.aio.insecure_channel(platform.target, options=[("grpc.use_local_subchannel_pool", 1)])
        read = channel.unary_stream(
            "/llm_platform.v1.Inference/Chat",
            request_serializer=pb.ChatRequest.SerializeToString,
            response_deserializer=pb.ChatEvent.FromString,
        )
        calls = [read(ASK) for _ in range(3)]
        for call in calls:
            await call.read()
        await channel.close()
        await eventually(lambda: platform.provider.closed == 3)


@pytest.mark.parametrize("method", ["Chat", "ChatUnary"])
@pytest.mark.parametrize("before", [(), ANSWER[:2]], ids=["at the start", "in the middle"])
async def test_the_callers_deadline_reaches_the_upstream(method: str, before: tuple[Step, ...]) -> None:
    async with served(ScriptedProvider([*before, asyncio.Event()])) as platform:
        began = time.monotonic()
        told = await failure(lambda: getattr(platform.inference, method)(ASK, timeout=0.3))
        assert told.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await eventually(lambda: platform.provider.closed and platform.records)
        assert 0.25 < time.monotonic() - began < 0.8
        # gRPC's own timer and ours run for the same moment; either may be first.
        assert platform.records[0].outcome in {"deadline_exceeded", "cancelled"}


async def test_a_call_without_a_deadline_has_the_platforms_own() -> None:
    async with served() as platform:
        assert (await platform.inference.ChatUnary(ASK)).text == "Hello"
        assert (await platform.inference.ChatUnary(ASK, timeout=30)).text == "Hello"


async def test_an_upstream_that_breaks_in_the_middle_is_a_status_and_never_a_silent_end() -> None:
    error = UpstreamUnavailable("'scripted' broke off.", provider="scripted")
    async with served(ScriptedProvider([*ANSWER[:2], error])) as platform:
        call = platform.inference.Chat(ASK)
        assert (await call.read()).WhichOneof("event") == "started"
        assert (await call.read()).text.text == "Hel"
        with pytest.raises(grpc.aio.AioRpcError, match="broke off") as broken:
            await call.read()
        assert broken.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await failure(lambda: platform.inference.ChatUnary(ASK))).code() is grpc.StatusCode.UNAVAILABLE
        assert platform.provider.closed == 2
        assert platform.records[0].outcome == "unavailable"


async def test_another_target_takes_over_unseen_before_the_first_event() -> None:
    spare = ScriptedProvider(ANSWER, name="spare")
    async with served(ScriptedProvider([UpstreamUnavailable("down")])) as platform:
        platform.sources.append(spare)
        platform.catalog.rebuild(ONE_MORE)
        attempts = set()
        for _ in range(20):
            call = platform.inference.Chat(ASK)
            attempts.add(dict(await call.initial_metadata())["x-llm-attempts"])
            assert [event.WhichOneof("event") async for event in call][-1] == "usage"
        assert attempts == {"1", "2"}


class Flood(ScriptedProvider):
    """Many large events; `given` counts the bytes that were taken off it."""

    given = 0

    def chunks(self) -> list[StreamEvent]:
        return [ANSWER[0], *(TextDelta(text="x" * 1024) for _ in range(20_000))]

    async def chat(self, exchange):  # type: ignore[no-untyped-def]
        stream, flood = await super().chat(exchange), self

        class Counted:
            def __aiter__(self) -> "Counted":
                return self

            async def __anext__(self) -> StreamEvent:
                event: StreamEvent = await anext(stream)
                flood.given += 1024
                return event

            async def aclose(self) -> None:
                await stream.aclose()

        return Counted()


async def test_a_reader_that_stalls_stalls_the_upstream() -> None:
    provider = Flood()
    provider._scripts = [provider.chunks()]
    async with served(provider) as platform:
        async with grpc.aio.insecure_channel(
            platform.target,
            # The window that this client grants, and no more of it by measuring.
            options=[("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0)],
        ) as channel:
            call = channel.unary_stream(
                "/llm_platform.v1.Inference/Chat",
                request_serializer=pb.ChatRequest.SerializeToString,
                response_deserializer=pb.ChatEvent.FromString,
            )(ASK)
            await call.read()
            before = -1
            async with asyncio.timeout(10):
                while before != provider.given:
                    before = provider.given
                    await asyncio.sleep(0.2)
            # What the client's window takes in, what gRPC holds for the stream, and one that waits.
            assert 0 < provider.given < 65_536 + 256 * 1024
            call.cancel()
        await eventually(lambda: provider.closed)


async def test_a_caller_that_leaves_while_a_message_is_written_is_no_defect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = Flood()
    provider._scripts = [provider.chunks()]
    async with served(provider) as platform:
        for number in range(40):
            call = platform.inference.Chat(ASK)
            await call.read()
            call.cancel()
            await eventually(lambda so_far=number: provider.closed == so_far + 1)
        await eventually(lambda: len(platform.records) == 40)
        assert {record.outcome for record in platform.records} == {"cancelled"}
        assert [each.message for each in caplog.records if each.levelname in {"WARNING", "ERROR"}] == []


async def test_nothing_stays_behind() -> None:
    async with served() as platform:
        await platform.inference.ChatUnary(ASK)
        before = len(asyncio.all_tasks())
        channel = grpc.aio.insecure_channel(f"{LOCAL}:{platform.front_end.port}")
        read = channel.unary_stream(
            "/llm_platform.v1.Inference/Chat", request_serializer=pb.ChatRequest.SerializeToString
        )
        calls = [read(ASK) for _ in range(50)]
        for number, call in enumerate(calls):
            if number % 2:
                call.cancel()
            else:
                async for _ in call:
                    pass
        await channel.close()
        await eventually(lambda: len(asyncio.all_tasks()) <= before, 10)
        assert platform.tally.snapshot().active == 0
