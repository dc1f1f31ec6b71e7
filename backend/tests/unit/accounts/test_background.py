"""What goes on in the background goes on after a defect."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from app.accounts.limits.families import REFRESH_SECONDS, Families
from app.accounts.store import Store
from app.accounts.usage import spending
from app.accounts.usage.ledger import TIDY_SECONDS, Keeping, Ledger
from app.testing.clock import VirtualClock


class Defect:
    """Fails in a way that nobody foresaw, once it is `on`."""

    def __init__(self) -> None:
        self.on, self.asked = False, 0

    def keeping(self) -> Keeping:
        if self.on:
            self.asked += 1
            raise ValueError("unforeseen")
        return Keeping()

    async def __call__(self, *_: object) -> tuple[()]:
        self.keeping()
        return ()


Work = Callable[[Defect, VirtualClock, Path], Coroutine[None, None, None]]


@pytest.mark.parametrize(
    ("work", "seconds"),
    [
        (lambda defect, clock, _: Families(defect, clock).keep_up(), REFRESH_SECONDS),
        (lambda defect, clock, _: spending.SpendingFigures(defect, clock).keep_up(), spending.REFRESH_SECONDS),
        (lambda defect, clock, at: Ledger(Store(tuple), at, defect.keeping, clock)._keep_tidy(), TIDY_SECONDS),
    ],
    ids=["families", "spending", "tidy"],
)
async def test_a_defect_is_told_and_the_next_turn_comes(
    work: Work, seconds: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    defect, clock = Defect(), VirtualClock()
    going = work(defect, clock, tmp_path)
    defect.on = True
    task = asyncio.create_task(going)
    await clock.advance(3 * seconds)
    task.cancel()
    await asyncio.wait({task})
    assert defect.asked >= 3
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
