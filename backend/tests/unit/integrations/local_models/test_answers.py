import asyncio

import pytest

from app.domain.errors import InvalidRequest, UpstreamUnavailable
from app.domain.events import Opaque, UsageReported
from app.domain.usage import Usage
from app.integrations.model_platforms.local_models.answers import Answer, PassOn
from app.integrations.model_platforms.local_models.channel import Channel
from tests.unit.integrations.local_models.test_frames import TEXT, frames, report


class Asked:
    """An answer to a question, with the thread's end of it in hand."""

    def __init__(self) -> None:
        self.channel = Channel(asyncio.get_running_loop())
        self.released = 0
        self.answer = Answer(
            self.channel, frames(), PassOn("f"), self._release, provider="custom_models", model="m"
        )

    def _release(self) -> None:
        self.released += 1


@pytest.fixture
async def asked() -> Asked:
    return Asked()


async def test_all_that_is_there_makes_one_event(asked: Asked) -> None:
    for chunk in (TEXT, TEXT, report(5, 3)):
        asked.channel.put(chunk)
    asked.channel.end()
    found = [event async for event in asked.answer]
    assert found == [
        Opaque("f", b"data: " + TEXT + b"\n\ndata: " + TEXT + b"\n\n"),
        UsageReported(usage=Usage(input_tokens=5, output_tokens=3, cached_tokens=2)),
        Opaque("f", b"data: [DONE]\n\n", last=True),
    ]
    assert asked.released == 1


async def test_closing_stops_the_thread_and_releases_once(asked: Asked) -> None:
    asked.channel.put(TEXT)
    await anext(asked.answer)
    for _ in range(2):
        await asked.answer.aclose()
    assert asked.channel.put(TEXT) is True
    assert asked.released == 1
    assert [event async for event in asked.answer] == []


async def test_one_that_was_never_read_can_be_closed(asked: Asked) -> None:
    await asked.answer.aclose()
    assert asked.channel.put(TEXT) is True
    assert asked.released == 1


async def test_cancelling_the_wait_for_the_first_word_closes(asked: Asked) -> None:
    waiting = asyncio.create_task(asked.answer.begin())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert asked.channel.put(TEXT) is True
    assert asked.released == 1


@pytest.mark.parametrize(("failure", "kind"), [(ValueError("no"), InvalidRequest), (None, UpstreamUnavailable)])
async def test_a_failure_is_raised_and_closes(
    asked: Asked, failure: Exception | None, kind: type[Exception]
) -> None:
    asked.channel.end(failure)
    with pytest.raises(kind):
        await asked.answer.begin()
    assert asked.released == 1
