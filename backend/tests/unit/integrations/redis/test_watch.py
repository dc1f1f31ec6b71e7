"""When a server counts as gone, and when it counts as back, on a clock that stands still."""

import logging

import pytest

from app.integrations.storage.redis.watch import DOUBTFUL_SECONDS, GONE_SECONDS, Watch
from app.testing.clock import VirtualClock

DOWN = ConnectionError("'redis' can't be reached.")


class Server:
    """`looks`: when it was looked for."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "app.integrations.storage.redis")
        self.answers = True
        self.clock = VirtualClock()
        self.looks: list[float] = []
        self.watch = Watch("redis", self._look, self.clock)

    async def _look(self) -> None:
        self.looks.append(self.clock.monotonic())
        if not self.answers:
            raise DOWN

    def miss(self, asked_at: float | None = None) -> None:
        self.watch.missed(DOWN, self.clock.monotonic() if asked_at is None else asked_at)


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Server:
    return Server(caplog)


async def test_one_miss_is_looked_into_at_once_and_forgotten_when_there_is_an_answer(server: Server) -> None:
    for _ in range(5):
        await server.clock.advance(1.0)
        server.miss()
        await server.clock.settle()
    assert (server.watch.there, server.looks) == (True, [1.0, 2.0, 3.0, 4.0, 5.0])


async def test_three_misses_in_a_row_and_it_is_gone_whoever_had_them(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = False
    await server.clock.advance(1.0)
    server.miss()
    await server.clock.settle()
    assert server.watch.there
    await server.clock.advance(DOUBTFUL_SECONDS)
    assert not server.watch.there
    for _ in range(20):
        server.miss()
        await server.clock.advance(GONE_SECONDS)
    assert caplog.messages == [f"{DOWN} The platform goes on without it and looks for it."]
    await server.watch.close()


async def test_misses_side_by_side_are_one(server: Server) -> None:
    """A process that was busy for a moment finds all of its questions too late."""
    await server.clock.advance(1.0)
    for _ in range(10):
        server.miss(asked_at=0.9)
    assert server.watch.there
    await server.watch.close()


async def test_an_answer_between_misses_makes_them_begin_anew(server: Server) -> None:
    server.answers = False
    await server.clock.advance(1.0)
    server.miss()
    await server.clock.settle()
    server.watch.answered()
    await server.clock.advance(DOUBTFUL_SECONDS)
    assert (server.watch.there, len(server.looks)) == (True, 2)
    await server.watch.close()


async def test_it_is_looked_for_all_the_time_and_used_as_soon_as_it_is_back(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = False
    await server.clock.advance(1.0)
    server.miss()
    await server.clock.advance(60.0)
    looked = len(server.looks)
    assert looked == pytest.approx(60 / GONE_SECONDS, abs=2)
    server.answers = True
    await server.clock.advance(GONE_SECONDS)
    assert server.watch.there
    assert len(server.looks) == looked + 1
    assert caplog.messages[1:] == ["'redis' is back after 60.0 s"]
    await server.clock.advance(60.0)
    assert len(server.looks) == looked + 1


async def test_nobody_looks_any_more_once_it_is_closed(server: Server) -> None:
    server.answers = False
    server.miss()
    await server.clock.settle()
    await server.watch.close()
    looked = len(server.looks)
    await server.clock.advance(60.0)
    assert len(server.looks) == looked
    await server.watch.close()
