"""The circuit breaker: its rules one by one, and as a state machine against a model of them."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.inference.breaker import EARLY, LONGEST_PROBE, REFUSED, SOON, Breaker
from app.inference.policy import BreakerPolicy

POLICY = BreakerPolicy(failures=5, cooldown=30.0, max_cooldown=300.0)


def opened(now: float = 0.0, refused: bool = False) -> Breaker:
    breaker = Breaker(POLICY)
    assert [breaker.failed(now, probe=False, refused=refused) for _ in range(5)] == [False] * 4 + [True]
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.failed(0.0, probe=False)
    breaker.succeeded(probe=False)
    for _ in range(4):
        breaker.failed(0.0, probe=False)
    assert (breaker.state, breaker.closed_in(0.0)) == ("closed", 0.0)
    assert breaker.failed(0.0, probe=False)
    assert (breaker.state, breaker.closed_in(10.0)) == ("open", 20.0)


def test_what_says_nothing_of_the_target_never_counts() -> None:
    breaker = Breaker(POLICY)
    for _ in range(100):
        breaker.told_nothing(probe=False)
    assert breaker.state == "closed"


def test_one_probe_at_a_time() -> None:
    breaker = opened()
    assert breaker.closed_in(30.0) == 0.0
    assert breaker.begin(30.0)
    assert breaker.state == "half_open"
    assert breaker.closed_in(30.0) > 0
    breaker.told_nothing(probe=True)  # its caller left: the next one is the probe
    assert breaker.closed_in(30.0) == 0.0
    assert breaker.begin(30.0)


def test_a_probe_that_answers_closes_it_and_one_more_failure_opens_it_again() -> None:
    breaker = opened()
    breaker.answered(breaker.begin(30.0))
    assert breaker.state == "closed"
    assert breaker.failed(31.0, probe=False)
    assert breaker.closed_in(31.0) == 60.0


@pytest.mark.parametrize(("opening", "seconds"), [(1, 30), (2, 60), (5, 150), (10, 300), (40, 300)])
def test_each_opening_in_a_row_lasts_longer(opening: int, seconds: float) -> None:
    breaker, now = opened(), 0.0
    for _ in range(opening - 1):
        now += breaker.closed_in(now)
        assert breaker.failed(now, probe=breaker.begin(30.0))
    assert breaker.closed_in(now) == seconds


def test_a_whole_answer_makes_the_next_opening_short_again() -> None:
    breaker = opened()
    breaker.succeeded(breaker.begin(30.0))
    for _ in range(5):
        breaker.failed(100.0, probe=False)
    assert breaker.closed_in(100.0) == 30.0


def test_requests_that_were_sent_before_it_opened_change_nothing() -> None:
    breaker = opened()
    breaker.succeeded(probe=False)
    assert not breaker.failed(1.0, probe=False)
    assert (breaker.state, breaker.closed_in(0.0)) == ("open", 30.0)


def test_where_nobody_else_is_left_it_is_probed_early_by_one_and_waited_for_by_the_others() -> None:
    breaker = opened()
    assert breaker.closed_in(0.04, last=True) == breaker.hope_in(0.04) == pytest.approx(0.06)
    assert breaker.closed_in(0.1, last=True) == 0.0
    assert breaker.closed_in(1.0) == 29.0
    told: list[str] = []
    breaker.watchers.add(lambda: told.append(breaker.state))
    assert breaker.begin(1.0)
    assert breaker.closed_in(1.2, last=True) > 0
    assert breaker.hope_in(1.2) == pytest.approx(LONGEST_PROBE - 0.2)
    assert breaker.hope_in(1.1 + LONGEST_PROBE) is None  # by then it is not worth it
    assert not breaker.failed(1.4, probe=True)
    assert breaker.closed_in(1.4) == pytest.approx(28.6)  # as before
    assert breaker.closed_in(1.5, last=True) == pytest.approx(0.1)  # twice as long after the second failure
    breaker.answered(breaker.begin(2.0))
    assert told == ["open", "closed"]


def test_what_has_failed_for_long_is_not_waited_for() -> None:
    breaker, now = opened(), 0.0
    while breaker.hope_in(now) is not None:
        now += breaker.closed_in(now, last=True)
        assert not breaker.failed(now, probe=breaker.begin(now))
    assert SOON < breaker.closed_in(now, last=True) <= EARLY.maximum
    assert now < 5


def test_one_that_refuses_connections_is_soon_looked_at_again_and_never_shut_to_who_has_nobody_else() -> None:
    breaker, now = opened(refused=True), 0.0
    for opening in range(1, 40):
        assert breaker.closed_in(now, last=True) == 0.0
        assert breaker.hope_in(now) is None
        assert breaker.closed_in(now) == min(opening, POLICY.cooldown)
        now += breaker.closed_in(now)
        assert breaker.failed(now, probe=breaker.begin(now), refused=True)


def test_one_that_is_reached_again_and_errs_is_shut_like_any_other() -> None:
    breaker = opened(refused=True)
    assert breaker.failed(1.0, probe=breaker.begin(1.0), refused=True)
    probe = breaker.begin(3.0)
    assert not breaker.failed(3.0, probe=False)  # one that came along
    assert breaker.closed_in(3.0, last=True) > 0  # the others wait now
    assert breaker.failed(3.1, probe)
    assert breaker.closed_in(3.1) == 30.0  # it was shut for another reason before


def test_it_can_be_switched_off() -> None:
    breaker = Breaker(BreakerPolicy(failures=0))
    assert not any(breaker.failed(0.0, probe=False) for _ in range(100))
    assert breaker.closed_in(0.0) == 0.0


SHUT = {"failed": (POLICY.cooldown, POLICY.max_cooldown), "refused": (REFUSED, POLICY.cooldown)}


class Machine(RuleBasedStateMachine):
    """Requests begin when the breaker lets them, and end in every way and order."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now = 0.0
        self.under_way: list[bool] = []
        self.open_until = 0.0

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.closed_in(self.now, last=True) == 0)
    @rule()
    def begin(self) -> None:
        was_open = self.breaker.state == "open"
        probe = self.breaker.begin(self.now)
        assert probe == was_open
        self.under_way.append(probe)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 10), how=st.sampled_from(["failed", "refused", "succeeded", "told_nothing"]))
    def end(self, which: int, how: str) -> None:
        probe = self.under_way.pop(which % len(self.under_way))
        state, early = self.breaker.state, self.now < self.open_until
        if how in {"failed", "refused"}:
            opened = self.breaker.failed(self.now, probe, refused=how == "refused")
            assert opened == (self.breaker.state == "open" and (state == "closed" or (probe and not early)))
            if opened:
                seconds = round(self.breaker.closed_in(self.now), 6)  # floats lose a little on a late clock
                shortest, longest = SHUT[how]
                assert shortest <= seconds <= longest
                self.open_until = self.now + self.breaker.closed_in(self.now)
        elif how == "succeeded":
            self.breaker.succeeded(probe)
        else:
            self.breaker.told_nothing(probe)
        if probe:
            assert self.breaker.state == ("closed" if how == "succeeded" else "open")
        elif state != "closed":
            assert self.breaker.state == state

    @invariant()
    def never_two_probes(self) -> None:
        assert sum(self.under_way) == (self.breaker.state == "half_open")

    @invariant()
    def a_half_open_one_takes_nobody_else(self) -> None:
        if self.breaker.state == "half_open":
            assert self.breaker.closed_in(self.now) > 0


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestMachine = Machine.TestCase
