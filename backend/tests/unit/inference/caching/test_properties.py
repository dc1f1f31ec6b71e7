"""Whatever the interleaving of an upstream and those who come, read, wait and leave, each sees the same answer."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import Overloaded, UpstreamUnavailable
from app.domain.events import EventStream, Opaque, StreamEvent
from app.inference.caching import flight
from app.testing.providers import ScriptedProvider
from tests.unit.inference.caching.room import Room, asking, settle

MOST_BYTES = 400
steps = st.lists(
    st.one_of(
        st.just(("join", 0)),
        st.just(("give", 0)),
        st.tuples(st.sampled_from(["read", "read all", "leave"]), st.integers(0, 7)),
    ),
    max_size=60,
)
sizes = st.lists(st.integers(1, 150) | st.integers(250, 350), min_size=1, max_size=12)


class Upstream(ScriptedProvider):
    """Gives one piece each time that it is let."""

    def __init__(self, answer: list[StreamEvent], fails: bool) -> None:
        super().__init__([*answer, *([UpstreamUnavailable("cut")] if fails else [])])
        self.may = asyncio.Semaphore(0)

    async def chat(self, exchange: Any) -> EventStream:
        stream, may = await super().chat(exchange), self.may

        class Let:
            def __aiter__(self) -> "Let":
                return self

            async def __anext__(self) -> StreamEvent:
                await may.acquire()
                return await stream.__anext__()

            async def aclose(self) -> None:
                await stream.aclose()

        return Let()


class Reader:
    """Takes a piece each time that it is let."""

    def __init__(self, room: Room) -> None:
        self.seen: list[StreamEvent] = []
        self.may = asyncio.Semaphore(0)
        self.task = asyncio.create_task(self._read(room))

    def take(self, step: str) -> None:
        if step == "leave":
            self.task.cancel()
        elif step == "read all":
            let_all(self.may)
        else:
            self.may.release()

    async def _read(self, room: Room) -> None:
        async with aclosing(await room.router.open(asking())) as stream:
            while True:
                await self.may.acquire()
                try:
                    self.seen.append(await stream.__anext__())
                except StopAsyncIteration:
                    return


def let_all(semaphore: asyncio.Semaphore) -> None:
    for _ in range(100):
        semaphore.release()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "READ_AHEAD", 100)
    monkeypatch.setattr(flight, "HELD", 250)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, sizes=sizes, fails=st.booleans())
def test_each_sees_the_same_and_nothing_is_left(
    steps: list[tuple[str, int]], sizes: list[int], fails: bool
) -> None:
    answer: list[StreamEvent] = [Opaque("f", bytes([place]) * size) for place, size in enumerate(sizes)]
    asyncio.run(_play(steps, answer, fails))


async def _play(steps: list[tuple[str, int]], answer: list[StreamEvent], fails: bool) -> None:
    upstream = Upstream(answer, fails)
    room = Room(upstream, most_bytes=MOST_BYTES)
    readers: list[Reader] = []
    for step, which in steps:
        if step == "join":
            readers.append(Reader(room))
        elif step == "give":
            upstream.may.release()
        elif readers:
            readers[which % len(readers)].take(step)
        await settle()
    for semaphore in (upstream.may, *(reader.may for reader in readers)):
        let_all(semaphore)
    await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    await settle()
    for reader in readers:
        _check(reader, answer, fails)
    assert upstream.closed == len(upstream.exchanges) == room.told.count("miss")
    assert len(room.records) == len(readers)
    assert room.idle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _check(reader: Reader, answer: list[StreamEvent], fails: bool) -> None:
    whole = b"".join(event.data for event in answer if isinstance(event, Opaque))
    seen = b"".join(event.data for event in reader.seen if isinstance(event, Opaque))
    assert whole.startswith(seen)
    if reader.task.cancelled():
        return
    error = reader.task.exception()
    if isinstance(error, Overloaded):
        assert len(whole) > MOST_BYTES  # only of what is too long to be kept
    elif fails:
        assert isinstance(error, UpstreamUnavailable)
        assert seen == whole
    else:
        assert (error, seen) == (None, whole)
