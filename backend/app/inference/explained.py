"""The last requests that ended, by their id, so that they can be explained.

Each process remembers its own, in its memory, and asks those beside it for others.
"""

import time
from collections import OrderedDict

import msgspec

from app.core.siblings import Siblings
from app.inference.explanation import Explanation, explain
from app.inference.stages.account import CallRecord

KEPT = 1000
_TOPIC = "explain"


class Explained:
    """A sink of Account. Of several requests with one id the latest is kept."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._records: OrderedDict[str, tuple[CallRecord, float]] = OrderedDict()

    def __call__(self, record: CallRecord) -> None:
        if not self._kept:
            return
        self._records.pop(record.id, None)
        self._records[record.id] = record, time.time() - record.seconds
        if len(self._records) > self._kept:
            self._records.popitem(last=False)

    def keep(self, count: int) -> None:
        """From now on so many."""
        self._kept = count
        while len(self._records) > count:
            self._records.popitem(last=False)

    def find(self, id: str, principal: str | None = None) -> Explanation | None:
        """None where it is not known, or where `principal` is named and it is another's."""
        record, started_at = self._records.get(id, (None, 0.0))
        if record is None or principal not in {None, record.principal}:
            return None
        return explain(record, started_at)


class _Question(msgspec.Struct, frozen=True):
    id: str
    principal: str | None


class Explainer:
    """Finds a request in this process and, where it is not, in one beside it."""

    def __init__(self, own: Explained, siblings: Siblings) -> None:
        self._own = own
        self._siblings = siblings
        siblings.answer(_TOPIC, self._answer)

    async def __call__(self, id: str, principal: str | None) -> Explanation | None:
        found = self._own.find(id, principal)
        if found is not None:
            return found
        told = await self._siblings.ask(_TOPIC, msgspec.json.encode(_Question(id, principal)))
        return msgspec.json.decode(told, type=Explanation) if told else None

    def _answer(self, question: bytes) -> bytes:
        asked = msgspec.json.decode(question, type=_Question)
        found = self._own.find(asked.id, asked.principal)
        return b"" if found is None else msgspec.json.encode(found)
