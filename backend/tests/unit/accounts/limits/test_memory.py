"""Limits in memory: all rates of a call or none, the estimate exchanged for the truth, nothing kept for ever."""

import msgspec
import pytest

from app.accounts.limits.memory import SWEEP_EVERY, MemoryLimits
from app.domain.errors import RateLimited
from app.domain.limits import Estimate, Rate
from app.domain.usage import Usage

REQUESTS = Rate(unit="requests", limit=3)
TOKENS = Rate(unit="tokens", limit=1000)
OUTPUT = Rate(unit="output_tokens", limit=500, window=3600.0)
AT_ONCE = Rate(unit="concurrent", limit=2)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> MemoryLimits:
    return MemoryLimits(clock=clock)


def remaining(limits: MemoryLimits, rate: Rate, holder: str = "a") -> int:
    now = limits.clock()
    return limits.meter(holder, [rate], now).standings(now)[0].remaining


def test_what_does_not_fit_takes_nothing(limits: MemoryLimits) -> None:
    limits.reserve("a", [REQUESTS, TOKENS], Estimate(400, 500))
    with pytest.raises(RateLimited, match="1,000 tokens in a minute") as refused:
        limits.reserve("a", [REQUESTS, TOKENS], Estimate(100, 100))
    assert refused.value.retry_after == pytest.approx(61.0, abs=1.1)
    assert (remaining(limits, REQUESTS), remaining(limits, TOKENS)) == (2, 100)


@pytest.mark.parametrize(
    ("rate", "before", "wanted", "told"),
    [
        (
            TOKENS,
            Estimate(400, 500),
            Estimate(50, 200, assumed=True),
            "reached: 100 are left, and this request takes 250 until its end, 200 of them for its answer, "
            "as it names no maximum. Set a smaller max_tokens, or try again in 61 s.",
        ),
        (
            OUTPUT,
            Estimate(9, 450),
            Estimate(50, 200),
            "reached: 50 are left, and this request takes 200 until its end, 200 of them for its answer, "
            "its own maximum. Set a smaller max_tokens, or try again in",
        ),
        (
            msgspec.structs.replace(TOKENS, unit="input_tokens"),
            Estimate(900, 0),
            Estimate(200, 5),
            "reached: 100 are left, and this request takes 200 until its end. Shorten its prompt, or try again in",
        ),
        (TOKENS, Estimate(0, 1000), Estimate(1, 1), "reached; try again in 61 s."),
        (REQUESTS, Estimate(1, 1), Estimate(1, 1), None),
    ],
)
def test_a_request_that_is_too_large_for_what_is_left_is_told_so(
    limits: MemoryLimits, rate: Rate, before: Estimate, wanted: Estimate, told: str | None
) -> None:
    limits.reserve("a", [rate], before)
    if told is None:
        limits.reserve("a", [rate], wanted)
        return
    with pytest.raises(RateLimited) as refused:
        limits.reserve("a", [rate], wanted)
    assert told in refused.value.message


def test_the_estimate_gives_way_to_what_was_used(limits: MemoryLimits) -> None:
    reservation = limits.reserve("a", [REQUESTS, TOKENS, OUTPUT], Estimate(100, 400))
    assert [each.remaining for each in reservation.standings] == [2, 500, 100]
    reservation.settle(Usage(input_tokens=90, output_tokens=10))
    reservation.settle(Usage(input_tokens=9000, output_tokens=9000))  # once is enough
    assert [remaining(limits, each) for each in (REQUESTS, TOKENS, OUTPUT)] == [2, 900, 490]


def test_a_call_that_used_nothing_was_a_request_all_the_same(limits: MemoryLimits) -> None:
    limits.reserve("a", [REQUESTS, TOKENS], Estimate(100, 400)).settle(None)
    assert (remaining(limits, REQUESTS), remaining(limits, TOKENS)) == (2, 1000)


def test_places_are_given_back(limits: MemoryLimits) -> None:
    first = limits.reserve("a", [AT_ONCE], Estimate(1, 1))
    limits.reserve("a", [AT_ONCE], Estimate(1, 1))
    with pytest.raises(RateLimited, match="2 requests at the same time") as refused:
        limits.reserve("a", [AT_ONCE], Estimate(1, 1))
    assert refused.value.retry_after == 1.0
    limits.reserve("b", [AT_ONCE], Estimate(1, 1))
    first.settle(None)
    limits.reserve("a", [AT_ONCE], Estimate(1, 1))


def test_the_window_slides(limits: MemoryLimits, clock: Clock) -> None:
    for _ in range(3):
        limits.reserve("a", [REQUESTS], Estimate(1, 1))
        clock.now += 10
    with pytest.raises(RateLimited) as refused:
        limits.reserve("a", [REQUESTS], Estimate(1, 1))
    assert refused.value.retry_after is not None
    clock.now += refused.value.retry_after + 0.001
    limits.reserve("a", [REQUESTS], Estimate(1, 1))
    with pytest.raises(RateLimited):
        limits.reserve("a", [REQUESTS], Estimate(1, 1))


def test_a_process_knows_when_it_let_in_a_whole_limit(clock: Clock) -> None:
    """Whatever its share. It forgets a little earlier than whoever counts for all, who says when to come again."""
    limits, one = MemoryLimits(0.1, clock), Estimate(1, 1)
    for _ in range(3):
        limits.note("a", [REQUESTS, AT_ONCE], one).settle(None)
    with pytest.raises(RateLimited, match="3 requests in a minute") as refused:
        limits.note("a", [AT_ONCE, REQUESTS], one)
    assert [each.remaining for each in refused.value.standings] == [0]
    assert refused.value.retry_after == pytest.approx(61.0, abs=1.1)
    limits.note("b", [REQUESTS], one)
    clock.now += 60
    for _ in range(2):
        limits.note("a", [REQUESTS, AT_ONCE], one)
    with pytest.raises(RateLimited, match="2 requests at the same time"):
        limits.note("a", [REQUESTS, AT_ONCE], one)


@pytest.mark.parametrize(("share", "own"), [(1.0, 1000), (0.25, 250), (0.0001, 1)])
def test_one_of_several_processes_has_its_share(share: float, own: int) -> None:
    assert remaining(MemoryLimits(share), TOKENS) == own


def test_callers_who_are_gone_are_forgotten(limits: MemoryLimits, clock: Clock) -> None:
    for number in range(SWEEP_EVERY):
        limits.reserve(f"caller-{number}", [REQUESTS], Estimate(1, 1))
    clock.now += 120
    limits.reserve("a", [REQUESTS], Estimate(1, 1))
    assert len(limits._counters) == 1
