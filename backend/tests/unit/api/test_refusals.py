"""Refusals are counted one by one and told of together."""

import logging

import pytest

from app.api.refusals import QUIET_SECONDS, Refusals, tell_refused
from app.domain.errors import InvalidRequest, PermissionDenied, PlatformError, Unauthenticated
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


@pytest.mark.parametrize(
    ("error", "lines"), [(InvalidRequest("bad"), 1), (PermissionDenied("no"), 1), (Unauthenticated("who?"), 0)]
)
def test_a_line_for_each_but_for_those_without_a_good_key(
    error: PlatformError, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tell_refused("req-7", "POST /v1/messages", error)
    assert [record.name for record in caplog.records] == ["request"] * lines
