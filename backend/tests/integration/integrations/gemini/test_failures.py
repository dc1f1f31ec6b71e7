"""What goes wrong on the way: refusals, answers that break, callers who leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from app.domain.chat import Message
from app.domain.errors import (
    ConnectionFailed,
    ContentRefused,
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.domain.events import Finished, StreamEvent
from app.integrations.model_platforms.gemini import GeminiIntegration
from tests.integration.integrations.gemini.asking import chat
from tests.integration.integrations.gemini.conftest import Start
from tests.integration.ollama.asking import read, text_of
from tests.servers.chaos import ChaosProxy, Trouble, chaos_proxy
from tests.servers.gemini_answers import ANSWER
from tests.servers.gemini_checks import Refused
from tests.servers.gemini_fake import FakeModel, Fault, GeminiFake

both = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (chat(model="nobody"), ModelNotFound),
        (chat(model="gemini-embedding-001"), ModelNotFound),
        (chat(model="../../v1/secrets"), ModelNotFound),
        (chat(model="models/x?key=1"), ModelNotFound),
        (chat(model="gemini-2.0-flash", text="word " * 10), ContextLengthExceeded),
        (chat(messages=(Message(role="user"),)), InvalidRequest),
    ],
)
async def test_refusals(start: Start, fake: GeminiFake, exchange: Any, kind: type[PlatformError]) -> None:
    fake.models = (
        *(model for model in fake.models if model.id != "gemini-2.0-flash"),
        FakeModel("gemini-2.0-flash", input_limit=9),
    )
    gemini = await start()
    with pytest.raises(kind) as caught:
        await gemini.chat(exchange)
    assert type(caught.value) is kind


async def test_a_blocked_prompt(gemini: GeminiIntegration, fake: GeminiFake) -> None:
    fake.blocked = "PROHIBITED_CONTENT"
    for stream in (True, False):
        with pytest.raises(ContentRefused, match="PROHIBITED_CONTENT"):
            await read(await gemini.chat(chat(stream=stream)))


async def test_a_call_that_can_t_be_read_is_a_failure_before_anything_is_heard(
    gemini: GeminiIntegration, fake: GeminiFake
) -> None:
    fake.script.answer, fake.script.finish = "A", "MALFORMED_FUNCTION_CALL"
    stream = await gemini.chat(chat())
    with pytest.raises(UpstreamError) as caught:
        await anext(stream)
    await stream.aclose()
    assert caught.value.retryable


LIMITED = Refused(
    429,
    "RESOURCE_EXHAUSTED",
    "canary",
    ({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"},),
)


@both
@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (LIMITED, UpstreamRateLimited),
        (Refused(503, "UNAVAILABLE", "canary"), UpstreamUnavailable),
        (Refused(500, "INTERNAL", "canary"), UpstreamError),
    ],
)
async def test_an_answer_refused(
    gemini: GeminiIntegration, fake: GeminiFake, refused: Refused, kind: type[PlatformError], stream: bool
) -> None:
    fake.faults["streamGenerateContent" if stream else "generateContent"] = Fault(refused)
    with pytest.raises(kind) as caught:
        await gemini.chat(chat(stream=stream))
    assert type(caught.value) is kind
    assert "canary" not in caught.value.message
    assert caught.value.retry_after == (3 if refused is LIMITED else None)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(after=2, how="frame"), UpstreamUnavailable),
        (Fault(after=2, how="bare"), UpstreamUnavailable),
        (Fault(after=2, how="end"), UpstreamUnavailable),
        (Fault(after=2, how="garbage"), ProviderProtocolError),
        (Fault(after=2, how="cut"), ConnectionFailed),
        (Fault(after=0, how="end"), UpstreamUnavailable),
    ],
)
async def test_an_answer_that_breaks_is_an_error_never_a_silent_end(
    gemini: GeminiIntegration, fake: GeminiFake, fault: Fault, kind: type[PlatformError]
) -> None:
    fake.faults["streamGenerateContent"] = fault
    events: list[StreamEvent] = []

    async def listen() -> None:
        async for event in await gemini.chat(chat()):
            events.append(event)

    with pytest.raises(kind) as caught:
        await listen()
    assert type(caught.value) is kind
    assert "canary" not in caught.value.message
    assert not [event for event in events if isinstance(event, Finished)]
    if fault.how != "cut":
        assert text_of(events) == ("A pod" if fault.after else "")


@asynccontextmanager
async def behind_chaos(
    start: Start, fake: GeminiFake, trouble: Trouble
) -> AsyncIterator[tuple[GeminiIntegration, ChaosProxy]]:
    """`trouble` begins when the integration is up: its connection is closed then, and the next one is new."""
    fake.closes = True
    async with chaos_proxy(fake.port) as proxy:
        gemini = await start(base_url=proxy.url)
        proxy.trouble = trouble
        yield gemini, proxy


@both
async def test_an_answer_in_single_bytes(start: Start, fake: GeminiFake, stream: bool) -> None:
    async with behind_chaos(start, fake, Trouble(slices=True)) as (gemini, proxy):
        assert text_of(await read(await gemini.chat(chat(stream=stream)))) == ANSWER
        assert proxy.accepted == 2


@both
@pytest.mark.parametrize("end", ["fin", "reset"])
@pytest.mark.parametrize("after", [1, 100, 300, 600])
async def test_an_answer_cut_anywhere_is_an_error(
    start: Start, fake: GeminiFake, stream: bool, end: Any, after: int
) -> None:
    async with behind_chaos(start, fake, Trouble(end=end, after=after)) as (gemini, _):
        with pytest.raises(UpstreamUnavailable):
            await read(await gemini.chat(chat(stream=stream)))
        assert fake.asked("streamGenerateContent" if stream else "generateContent")


async def test_whoever_closes_an_answer_closes_the_upstream(gemini: GeminiIntegration, fake: GeminiFake) -> None:
    fake.hold = asyncio.Event()
    async with aclosing(await gemini.chat(chat())) as answer:
        await anext(answer)
        await anext(answer)
    async with asyncio.timeout(2):
        assert await fake.left.get() == "streamGenerateContent"


async def test_cancelling_a_request_closes_the_upstream(gemini: GeminiIntegration, fake: GeminiFake) -> None:
    fake.hold = asyncio.Event()
    asking = asyncio.create_task(gemini.chat(chat(stream=False)))
    async with asyncio.timeout(2):
        assert await fake.arrived.get() == "generateContent"
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await fake.left.get() == "generateContent"
