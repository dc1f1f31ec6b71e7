"""Keys that take turns, and rest for what was answered to them."""

import logging
import math

import pytest

from app.core.integration_framework import HealthReport, HealthStatus
from app.domain.errors import (
    ContentRefused,
    ContextLengthExceeded,
    PlatformError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.integrations.kit.keys import LONGEST_REST, SHORTEST_REST, KeyRing

REFUSED = UpstreamAuthFailed("x")
CLOSED = UpstreamAuthFailed("x", code="model_not_allowed")
SPENT = UpstreamRateLimited("x", code="insufficient_quota")
LIMITED = UpstreamRateLimited("x")
AFTER_A_DAY = UpstreamRateLimited("x", retry_after=86_400.0)


def limited(seconds: float) -> PlatformError:
    return UpstreamRateLimited("x", retry_after=seconds)


class Ring:
    """A ring on a clock of its own, with keys named by single letters."""

    def __init__(self, keys: str = "abc", **options: float) -> None:
        self.now = 1000.0
        self.keys = KeyRing(list(keys), lambda key: ("x", key), provider="up", clock=lambda: self.now, **options)

    def take(self, model: str = "m") -> str:
        return self.keys.take(model).header[1]

    def turns(self, count: int, model: str = "m") -> str:
        return "".join(self.take(model) for _ in range(count))

    def fail(self, letter: str, error: PlatformError, model: str = "m") -> PlatformError:
        """`error` is what `letter` got, whose turn it need not be."""
        for _ in range(10):
            key = self.keys.take(model)
            if key.header[1] == letter:
                return self.keys.blame(key, model, error)
        raise AssertionError(f"{letter} is not to be had")

    def asked(self) -> str:
        return "".join(key.header[1] for key in self.keys.to_check())

    def check(self, letter: str, *, refused: bool) -> None:
        (key,) = (key for key in self.keys.to_check() if key.header[1] == letter)
        self.keys.checked(key, refused=refused)


def test_they_take_turns() -> None:
    assert Ring().turns(7) == "abcabca"


@pytest.mark.parametrize(
    ("error", "seconds", "elsewhere"),
    [
        (REFUSED, math.inf, False),
        (SPENT, 600.0, False),
        (CLOSED, 600.0, True),
        (LIMITED, 10.0, True),
        (limited(70.0), 70.0, True),
        (limited(0.0), SHORTEST_REST, True),
        (AFTER_A_DAY, LONGEST_REST, True),
    ],
)
def test_who_rests_for_how_long(error: PlatformError, seconds: float, elsewhere: bool) -> None:
    ring = Ring()
    ring.fail("b", error)
    assert "b" not in ring.turns(6)
    assert ("b" in ring.turns(6, "other")) is elsewhere
    ring.now += min(seconds, 1e9) - 0.5
    assert "b" not in ring.turns(6)
    ring.now += 0.5
    assert ("b" in ring.turns(6)) is math.isfinite(seconds)


def test_those_who_are_left_take_turns_evenly() -> None:
    ring = Ring("abcd")
    ring.fail("b", SPENT)
    turns = ring.turns(9)
    assert {letter: turns.count(letter) for letter in "acd"} == dict.fromkeys("acd", 3)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamAuthFailed("x", code="not_permitted"),
        UpstreamRateLimited("x", code="request_too_large"),
        UpstreamError("x", code="region_not_served"),
        UpstreamUnavailable("x", retry_after=5.0),
        UpstreamTimeout("x"),
        ContentRefused("x"),
        ContextLengthExceeded("x"),
    ],
)
def test_what_is_not_the_keys_fault(error: PlatformError) -> None:
    ring = Ring()
    assert ring.fail("a", error) is error
    assert not error.rotated
    assert set(ring.turns(3)) == set("abc")


@pytest.mark.parametrize("error", [REFUSED, SPENT, CLOSED, LIMITED])
def test_with_another_key_the_same_target_may_be_tried_again(error: PlatformError) -> None:
    ring = Ring("ab")
    assert ring.fail("a", error) is error
    assert error.rotated
    assert ring.turns(2) == "bb"


@pytest.mark.parametrize(
    ("answers", "error", "code", "after"),
    [
        ({"a": REFUSED, "b": REFUSED}, UpstreamAuthFailed, None, None),
        ({"a": limited(40.0), "b": limited(7.0)}, UpstreamRateLimited, None, 7.0),
        ({"a": limited(7.0), "b": limited(40.0)}, UpstreamRateLimited, None, 7.0),
        ({"a": REFUSED, "b": limited(40.0)}, UpstreamRateLimited, None, 40.0),
        ({"a": limited(40.0), "b": REFUSED}, UpstreamRateLimited, None, 40.0),
        ({"a": SPENT, "b": REFUSED}, UpstreamRateLimited, "insufficient_quota", 600.0),
        ({"a": CLOSED, "b": CLOSED}, UpstreamAuthFailed, "model_not_allowed", 600.0),
    ],
)
def test_when_all_rest_the_error_says_until_when(
    answers: dict[str, PlatformError], error: type[PlatformError], code: str | None, after: float | None
) -> None:
    ring = Ring("ab")
    last = [ring.fail(letter, answer) for letter, answer in answers.items()][-1]
    with pytest.raises(error) as caught:
        ring.take()
    for told in (last, caught.value):
        assert (type(told), told.code, told.retry_after, told.provider) == (error, code, after, "up")
        assert not told.rotated
    if after is not None:
        ring.now += after
        assert ring.take() in "ab"


def test_the_longer_of_two_rests_counts() -> None:
    ring = Ring("ab")
    key = ring.keys.take("m")
    for error in (limited(60.0), limited(5.0), SPENT, REFUSED, SPENT):
        ring.keys.blame(key, "m", error)
    ring.now += 1e9
    assert ring.turns(2) == "bb"


def test_models_that_nobody_asks_for_any_more_are_forgotten() -> None:
    ring = Ring("ab")
    for number in range(100):
        key = ring.keys.take(f"m{number}")
        ring.keys.blame(key, f"m{number}", LIMITED)
        ring.now += 1
    assert len(key.rests) <= 11


def test_a_health_check_asks_with_each_good_key_in_turn() -> None:
    ring = Ring()
    assert [ring.asked()[0] for _ in range(4)] == ["a", "b", "c", "a"]
    ring.fail("b", SPENT)
    assert "b" in ring.asked()


def test_a_refused_key_is_checked_when_its_time_has_come_and_serves_again_when_it_is_good() -> None:
    ring = Ring(recheck_after=50.0)
    ring.fail("b", REFUSED)
    assert "b" not in ring.asked()
    ring.now += 50
    assert ring.asked()[0] == "b"
    ring.check("b", refused=True)
    assert "b" not in ring.asked()
    ring.now += 50
    ring.check("b", refused=False)
    assert "b" in ring.turns(3)


def test_where_no_key_is_good_all_are_checked() -> None:
    ring = Ring("ab")
    for letter in "ab":
        ring.fail(letter, REFUSED)
    assert ring.asked() == "ab"
    ring.check("b", refused=False)
    assert ring.turns(2) == "bb"


def test_a_check_proves_nothing_about_money() -> None:
    ring = Ring("ab")
    ring.fail("a", SPENT)
    ring.check("a", refused=False)
    assert ring.turns(2) == "bb"


def test_a_key_out_of_use_shows_in_the_health_and_one_at_its_limit_does_not() -> None:
    ring = Ring()
    ring.fail("a", LIMITED)
    good = ring.keys.told_in(HealthReport(details={"models": 1}))
    assert good == HealthReport(details={"models": 1, "keys": {"usable": 3, "of": 3}})
    ring.fail("b", REFUSED)
    ring.fail("c", SPENT)
    bad = ring.keys.told_in(HealthReport())
    assert bad.status is HealthStatus.DEGRADED
    assert bad.details["keys"] == {"usable": 1, "of": 3}
    assert "is refused" in bad.message
    assert "is out of quota" in bad.message
    down = ring.keys.told_in(HealthReport(HealthStatus.UNHEALTHY, "down"))
    assert (down.status, down.message) == (HealthStatus.UNHEALTHY, "down")


def test_the_log_says_once_which_key_is_out_and_not_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ring = KeyRing(["canary-one", "canary-two"], lambda key: ("x", key), provider="up")
    key = ring.take("m")
    for _ in range(3):
        ring.blame(key, "m", REFUSED)
    ring.blame(ring.take("m"), "m", LIMITED)
    ring.checked(key, refused=False)
    refused, good = (record.getMessage() for record in caplog.records)
    assert refused == "up: key 1 (sha256 b67633a4) is refused; usable keys left: 1"
    assert good == "up: key 1 (sha256 b67633a4) is good again"
    assert "canary" not in f"{caplog.text} {key!r} {ring!r} {vars(ring)}"
