"""Figures since the start: what was asked, what failed, what it used. For front-ends that show them live.

In memory and small. The ledger and a monitoring system's metrics are elsewhere; this forgets all with the process.
"""

import time
from collections.abc import Iterable

import msgspec

from app.inference.call import Call
from app.inference.stages.account import CallRecord

OTHER = "other"
"""Where calls are counted that reached no model, and those of the models beyond MAX_MODELS."""

MAX_MODELS = 1000


class ModelFigures(msgspec.Struct):
    """Of the calls that ended. `errors` leaves out those `cancelled` by their caller. `seconds`: all together."""

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0

    def add(self, record: CallRecord) -> None:
        self.requests += 1
        self.seconds += record.seconds
        if record.outcome == "cancelled":
            self.cancelled += 1
        elif record.outcome != "ok":
            self.errors += 1
        if record.usage is not None:
            self.input_tokens += record.usage.input_tokens
            self.output_tokens += record.usage.output_tokens

    def __iadd__(self, other: "ModelFigures") -> "ModelFigures":
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `at`: Unix seconds. `active`: calls under way now, not in the other figures yet."""

    since: float
    at: float
    active: int
    total: ModelFigures
    models: dict[str, ModelFigures]


class Tally:
    """`began` and `ended` are what the account stage tells of each call. `version` rises with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._since = time.time()
        self._active = 0
        self._models: dict[str, ModelFigures] = {}

    def began(self, call: Call) -> None:
        self._active += 1
        self.version += 1

    def ended(self, record: CallRecord) -> None:
        self._active -= 1
        self.version += 1
        self._of(record).add(record)

    @property
    def active(self) -> int:
        """Calls under way now."""
        return self._active

    def snapshot(self) -> Figures:
        """A copy: later calls do not change it."""
        return Figures(
            since=self._since,
            at=time.time(),
            active=self._active,
            total=_sum(self._models.values()),
            models={name: msgspec.structs.replace(figures) for name, figures in self._models.items()},
        )

    def _of(self, record: CallRecord) -> ModelFigures:
        """A name that resolved to nothing is the caller's own text, and there is no end to those."""
        name = record.model if record.integration is not None or record.cached is not None else OTHER
        found = self._models.get(name)
        if found is None:
            name = name if len(self._models) < MAX_MODELS else OTHER
            found = self._models.setdefault(name, ModelFigures())
        return found


def _sum(figures: Iterable[ModelFigures]) -> ModelFigures:
    total = ModelFigures()
    for each in figures:
        total += each
    return total
