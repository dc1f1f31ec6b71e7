"""The last calls that ended, newest first. In memory, bounded, gone with the process; the ledger is elsewhere."""

import time
from collections import deque

import msgspec

from app.inference.stages.account import CallRecord

KEPT = 200


class RecentCall(msgspec.Struct, frozen=True):
    """`started_at` in Unix seconds."""

    record: CallRecord
    started_at: float


class RecentCalls:
    """A sink of the account stage."""

    def __init__(self, kept: int = KEPT) -> None:
        self._calls: deque[RecentCall] = deque(maxlen=kept)

    def __call__(self, record: CallRecord) -> None:
        self._calls.appendleft(RecentCall(record, time.time() - record.seconds))

    def last(self, count: int, principal: str | None = None) -> list[RecentCall]:
        """At most `count`; those of one principal only, when one is named."""
        found = (call for call in self._calls if principal is None or call.record.principal == principal)
        return [call for call, _ in zip(found, range(count), strict=False)]
