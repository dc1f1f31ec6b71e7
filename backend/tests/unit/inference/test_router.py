"""The router over scripted providers: what is tried, in which order, what the caller gets, what is recorded."""

import asyncio
from contextlib import aclosing

import pytest

from app.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import Finished, Opaque, Started, StreamEvent, TextDelta, UsageReported
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.catalog import LiveCatalog, Source
from app.inference.policy import ModelPolicy, Timeouts
from app.inference.router import Router
from app.inference.routes import ConfiguredModel, Route, Routing
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.deadline import keep_time
from app.testing.providers import ScriptedProvider
from tests.unit.inference.targets import ASKED

START = Started(id="1", model="model", created=0)
HELLO = [
    START,
    TextDelta(text="hello"),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=1)),
]


def router_over(
    *providers: ScriptedProvider, timeouts: Timeouts | None = None, serving: bool = True
) -> tuple[Router, list[CallRecord]]:
    records: list[CallRecord] = []
    routes = [Route(integration=each.name, model="model", priority=i) for i, each in enumerate(providers)]
    policy = ModelPolicy(retries=len(providers) - 1, timeouts=timeouts or Timeouts())
    routing = Routing(models={"both": ConfiguredModel(routes=routes, policy=policy)})
    catalog = LiveCatalog(lambda: [Source(source=each, serving=serving) for each in providers], routing)
    catalog.rebuild()
    return Router(catalog, call_stages=[Account([records.append])], attempt_stages=[keep_time]), records


def call_for(model: str = "both", *, stream: bool = True) -> Call:
    return Call(id="c", operation="chat", model=model, decode=lambda: ASKED, stream=stream)


async def events_of(router: Router, call: Call) -> list[StreamEvent]:
    async with aclosing(await router.open(call)) as stream:
        return [event async for event in stream]


async def test_the_events_come_through_and_one_record_tells_of_them() -> None:
    router, records = router_over(ScriptedProvider(HELLO))
    assert await events_of(router, call_for()) == HELLO
    (record,) = records
    assert (record.outcome, record.integration, record.attempts) == ("ok", "scripted", 1)
    assert record.usage == Usage(input_tokens=3, output_tokens=1)


@pytest.mark.parametrize("stream", [True, False])
async def test_of_an_answer_without_usage_an_estimate_is_kept(stream: bool) -> None:
    told = [event for event in HELLO if not isinstance(event, UsageReported)]
    router, records = router_over(ScriptedProvider(told))
    await events_of(router, call_for(stream=stream))
    used = records[0].usage
    assert used is not None
    assert used.estimated
    assert used.output_tokens > 0


@pytest.mark.parametrize(
    "failing",
    [
        [UpstreamUnavailable("refused")],
        [asyncio.Event()],  # silence until the deadline
        [],  # an end without a beginning
    ],
    ids=["refuses", "is silent", "is empty"],
)
async def test_before_the_first_event_the_next_target_takes_over(failing: list[object]) -> None:
    first, second = ScriptedProvider(failing, name="first"), ScriptedProvider(HELLO, name="second")
    router, records = router_over(first, second, timeouts=Timeouts(first_token=0.02))
    assert await events_of(router, call_for()) == HELLO
    assert (records[0].integration, records[0].attempts, records[0].outcome) == ("second", 2, "ok")
    assert first.closed == (0 if failing and isinstance(failing[0], Exception) else 1)


async def test_after_the_first_event_a_failure_is_the_callers_to_see() -> None:
    broken = ScriptedProvider([START, TextDelta(text="hel"), UpstreamUnavailable("cut")], name="first")
    spare = ScriptedProvider(HELLO, name="second")
    router, records = router_over(broken, spare)
    with pytest.raises(UpstreamUnavailable):
        await events_of(router, call_for())
    assert spare.exchanges == []
    assert broken.closed == 1
    assert records[0].outcome == "unavailable"
    assert records[0].usage == Usage(output_tokens=2, estimated=True)


@pytest.mark.parametrize(
    ("error", "raised", "tried"),
    [
        (InvalidRequest("bad"), InvalidRequest, 0),
        (UpstreamUnavailable("down"), UpstreamUnavailable, 1),
        (ZeroDivisionError("defect"), UpstreamError, 1),
        (Overloaded("full"), Overloaded, 1),
    ],
)
async def test_only_a_retryable_error_reaches_the_next_target(
    error: Exception, raised: type[Exception], tried: int
) -> None:
    second = ScriptedProvider([error], name="second")
    router, records = router_over(ScriptedProvider([error], name="first"), second)
    with pytest.raises(raised):
        await router.open(call_for())
    assert len(second.exchanges) == tried
    assert len(records) == 1


async def test_a_silent_pause_ends_the_stream_with_a_timeout() -> None:
    provider = ScriptedProvider([START, asyncio.Event()])
    router, records = router_over(provider, timeouts=Timeouts(idle=0.02))
    with pytest.raises(UpstreamTimeout):
        await events_of(router, call_for())
    assert provider.closed == 1
    assert records[0].outcome == "deadline_exceeded"


async def test_the_total_limit_ends_a_stream_that_is_not_idle_long_enough() -> None:
    provider = ScriptedProvider([START, TextDelta(text="x"), asyncio.Event()])
    router, _ = router_over(provider, timeouts=Timeouts(total=0.02))
    with pytest.raises(DeadlineExceeded):
        await events_of(router, call_for())


async def test_cancelling_the_caller_is_not_mistaken_for_a_timeout() -> None:
    provider = ScriptedProvider([START, asyncio.Event()])
    router, records = router_over(provider)
    reached = asyncio.Event()

    async def consume() -> None:
        async with aclosing(await router.open(call_for())) as stream:
            async for _ in stream:
                reached.set()

    task = asyncio.create_task(consume())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.closed == 1
    assert records[0].outcome == "cancelled"


async def test_closing_before_the_first_event_is_read_closes_the_provider() -> None:
    provider = ScriptedProvider(HELLO)
    router, records = router_over(provider)
    await (await router.open(call_for())).aclose()
    assert provider.closed == 1
    assert records[0].outcome == "cancelled"


async def test_opaque_frames_are_counted_when_the_caller_leaves() -> None:
    frames = Opaque("openai_chat", b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
    router, records = router_over(ScriptedProvider([frames, asyncio.Event()]))
    stream = await router.open(call_for())
    assert await anext(aiter(stream)) == frames
    await stream.aclose()
    assert records[0].usage == Usage(output_tokens=3, estimated=True)


async def test_a_call_is_recorded_before_its_end_is_handed_on() -> None:
    used = Usage(input_tokens=3, output_tokens=1)
    begun, end = Opaque("openai_chat", b"data: 1\n\n"), Opaque("openai_chat", b"data: [DONE]\n\n", last=True)
    router, records = router_over(ScriptedProvider([begun, UsageReported(usage=used), end]))
    async with aclosing(await router.open(call_for())) as stream:
        async for event in stream:
            assert len(records) == (event is end)
    assert [(record.outcome, record.usage) for record in records] == [("ok", used)]


async def test_names_that_nobody_knows_and_names_that_nobody_serves_now() -> None:
    router, records = router_over(ScriptedProvider(HELLO))
    with pytest.raises(ModelNotFound):
        await router.open(call_for("other"))
    assert records[0].attempts == 0
    router, _ = router_over(ScriptedProvider(HELLO), serving=False)
    with pytest.raises(UpstreamUnavailable, match="scripted"):
        await router.open(call_for())


async def test_an_operation_that_the_integration_lacks() -> None:
    class NoChat:
        name, accepts_unlisted = "nochat", False
        models = ScriptedProvider([]).models

    catalog = LiveCatalog(lambda: [Source(source=NoChat(), serving=True)])
    catalog.rebuild()
    with pytest.raises(UnsupportedFeature, match="nochat"):
        await Router(catalog).open(call_for("model"))


async def test_a_provider_that_answers_nothing_is_a_protocol_error() -> None:
    router, _ = router_over(ScriptedProvider([]))
    with pytest.raises(ProviderProtocolError):
        await router.open(call_for())


@pytest.mark.parametrize(
    ("script", "raised", "outcome"),
    [
        ([START, TextDelta(text="hel")], ProviderProtocolError, "data_loss"),
        ([START, TextDelta(text="hel"), Finished(reason="error")], UpstreamError, "unavailable"),
    ],
    ids=["no end", "an end by error"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_a_good_end_is_a_failure(
    script: list[StreamEvent], raised: type[Exception], outcome: str, stream: bool
) -> None:
    router, records = router_over(ScriptedProvider(script))
    with pytest.raises(raised):
        await events_of(router, call_for(stream=stream))
    assert records[0].outcome == outcome
