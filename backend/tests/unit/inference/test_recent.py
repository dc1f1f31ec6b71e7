"""The ring of past calls: bounded, newest first, one principal at a time where that is asked."""

import time

from app.inference.recent import RecentCalls
from app.inference.stages.account import CallRecord


def record(id: str, principal: str = "a", seconds: float = 0.0) -> CallRecord:
    return CallRecord(
        id=id,
        principal=principal,
        front_end="graphql",
        operation="chat",
        model="model",
        integration=None,
        target_model=None,
        attempts=0,
        outcome="ok",
        seconds=seconds,
        first_event_seconds=None,
        usage=None,
    )


def ids(calls: RecentCalls, count: int, principal: str | None = None) -> list[str]:
    return [call.record.id for call in calls.last(count, principal)]


def test_the_newest_come_first_and_the_oldest_are_forgotten() -> None:
    calls = RecentCalls(kept=3)
    for id in "abcd":
        calls(record(id))
    assert ids(calls, 10) == ["d", "c", "b"]
    assert ids(calls, 2) == ["d", "c"]
    assert ids(calls, 0) == []


def test_one_principals_calls_alone() -> None:
    calls = RecentCalls()
    for id, principal in (("1", "a"), ("2", "b"), ("3", "a")):
        calls(record(id, principal))
    assert ids(calls, 10, "a") == ["3", "1"]
    assert ids(calls, 1, "b") == ["2"]
    assert ids(calls, 1, "nobody") == []


def test_when_a_call_started_is_told() -> None:
    calls = RecentCalls()
    calls(record("1", seconds=100.0))
    assert abs(calls.last(1)[0].started_at - (time.time() - 100.0)) < 5
