"""Spans are delivered in the background; a collector that fails costs them, and nobody any time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from app.integrations.monitoring.opentelemetry.outbox import Outbox

SPAN = ReadableSpan("a")
NEVER = 3600.0


@contextmanager
def outbox(deliver: Callable[[Sequence[ReadableSpan]], str | None], room: int = 10) -> Iterator[Outbox]:
    made = Outbox(deliver, room, NEVER)
    try:
        yield made
    finally:
        made.close(5.0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_what_waits_at_the_end_is_delivered() -> None:
    batches: list[int] = []
    with outbox(lambda batch: batches.append(len(batch))) as out:
        out.put([SPAN, SPAN])
    assert batches == [2]
    assert (out.delivered, out.lost, out.waiting) == (2, 0, 0)


def test_where_there_is_no_room_they_are_lost_and_it_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with outbox(lambda batch: None, room=3) as out:
        for _ in range(10):
            out.put([SPAN])
        assert (out.lost, out.waiting) == (7, 3)
    assert [record.message for record in caplog.records] == [
        "3 spans wait for the collector already; further ones are lost"
    ]


@pytest.mark.parametrize("raises", [True, False])
def test_trouble_is_told_once_and_so_is_its_end(raises: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    good = False

    def deliver(batch: Sequence[ReadableSpan]) -> str | None:
        if good:
            return None
        if raises:
            raise ConnectionError("secret words")
        return "ConnectionError"

    with outbox(deliver) as out:
        for lost in (1, 2, 3):
            out.put([SPAN])
            out.flush()
            until(lambda lost=lost: out.lost == lost)  # type: ignore[misc]
            until(lambda: out.trouble == "ConnectionError")
        good = True
        out.put([SPAN])
        out.flush()
        until(lambda: out.delivered == 1 and out.trouble is None)
    assert [record.message for record in caplog.records] == [
        "the collector takes no spans (ConnectionError); they are lost until it does",
        "the collector takes spans again; 3 were lost so far",
    ]


def test_a_delivery_that_hangs_holds_nobody_up() -> None:
    hanging, release = threading.Event(), threading.Event()

    def deliver(batch: Sequence[ReadableSpan]) -> str | None:
        hanging.set()
        release.wait(30)
        return None

    out = Outbox(deliver, 10, NEVER)
    out.put([SPAN])
    out.flush()
    assert hanging.wait(5)
    began = time.monotonic()
    for _ in range(1000):
        out.put([SPAN])
    out.close(0.05)
    assert time.monotonic() - began < 1.0
    assert out.lost == 990
    out.put([SPAN])
    assert out.lost == 991
    release.set()
