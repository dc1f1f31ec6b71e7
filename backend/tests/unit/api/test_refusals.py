"""Refusals are counted one by one and told of together."""

import pytest

from app.api.refusals import QUIET_SECONDS, Refusals
from app.testing.clock import VirtualClock


async def test_a_flood_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    refusals = Refusals(clock)
    for _ in range(1000):
        refusals.note("unknown key")
    assert len(caplog.records) == 1
    await clock.advance(QUIET_SECONDS)
    refusals.note("expired key")
    assert len(caplog.records) == 2
    assert "unknown key 999, expired key 1" in caplog.text
    assert refusals.counts == {"unknown key": 1000, "expired key": 1}
