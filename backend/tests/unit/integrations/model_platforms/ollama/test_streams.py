"""Who closes what, and when: the response behind an answer is never left open."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import pytest

from app.domain.errors import UpstreamUnavailable
from app.domain.events import EventStream, Finished, Started, StreamEvent, TextDelta, UsageReported
from app.domain.usage import Usage
from app.integrations.model_platforms.ollama.streams import ChainedStream, answer_stream


class Response:
    """An InboundResponse whose chunks are known; `closed` counts."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.closed = 0

    async def read(self, limit: int = 0) -> bytes:
        return b"".join(self._chunks)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        self.closed += 1


class Words:
    """A Decoder: every byte string is a word of choice `choice`."""

    def __init__(self, choice: int = 0) -> None:
        self._choice = choice

    def feed(self, data: bytes) -> list[StreamEvent]:
        if data == b"!":
            raise UpstreamUnavailable("broke", provider="ollama")
        started: list[StreamEvent] = [Started(id=data.decode(), model="m", created=0)]
        return [*started, TextDelta(text=data.decode(), choice=self._choice)]

    def close(self) -> list[StreamEvent]:
        usage = Usage(input_tokens=3, output_tokens=2)
        return [Finished(reason="stop", choice=self._choice), UsageReported(usage=usage)]


async def test_an_answer_read_to_its_end_closes_its_response() -> None:
    response = Response(b"a")
    events = [event async for event in answer_stream(response, Words())]
    assert [type(event) for event in events] == [Started, TextDelta, Finished, UsageReported]
    assert response.closed


@pytest.mark.parametrize("events", [0, 1])
async def test_an_answer_closed_early_closes_its_response(events: int) -> None:
    response = Response(b"a", b"b")
    async with aclosing(answer_stream(response, Words())) as stream:
        for _ in range(events):
            await anext(stream)
        assert not response.closed
    assert response.closed


async def test_an_answer_that_fails_closes_its_response() -> None:
    response = Response(b"a", b"!")
    stream = answer_stream(response, Words())
    with pytest.raises(UpstreamUnavailable):
        _ = [event async for event in stream]
    assert response.closed


async def test_a_chain_starts_once_and_adds_up_the_usage() -> None:
    first, second = Response(b"a"), Response(b"b")

    async def opener() -> EventStream:
        assert first.closed
        return answer_stream(second, Words(choice=1))

    events = [event async for event in ChainedStream(answer_stream(first, Words()), [opener])]
    assert events == [
        Started(id="a", model="m", created=0),
        TextDelta(text="a"),
        Finished(reason="stop"),
        TextDelta(text="b", choice=1),
        Finished(reason="stop", choice=1),
        UsageReported(usage=Usage(input_tokens=6, output_tokens=4)),
    ]
    assert second.closed


@pytest.mark.parametrize(("events", "opened"), [(0, False), (2, False), (4, True)])
async def test_a_chain_closed_early_closes_the_answer_under_way(events: int, opened: bool) -> None:
    first, second = Response(b"a"), Response(b"b")

    async def opener() -> EventStream:
        return answer_stream(second, Words(choice=1))

    async with aclosing(ChainedStream(answer_stream(first, Words()), [opener])) as stream:
        for _ in range(events):
            await anext(stream)
    assert first.closed
    assert bool(second.closed) is opened
