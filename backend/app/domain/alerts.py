"""Alerts as an alert manager has them, and silences, which keep some quiet for a while. Times are Unix seconds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Meta


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One that is there now. `state`: active, or suppressed by a silence (`silenced_by`: their ids) or by another
    alert that is its cause (`inhibited_by`: theirs).
    """

    id: str
    name: str
    severity: str
    state: str
    summary: str
    description: str
    since: float
    labels: Mapping[str, str]
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class Matcher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alert whose label `name` is `value`; with `regex` matches it, without `equal` is not or does not."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Annotated[str, Meta(min_length=1, max_length=1000)]
    regex: bool = False
    equal: bool = True


class NewSilence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that fit all `matchers` are quiet for so many `seconds` from now, a month at most."""

    matchers: Annotated[tuple[Matcher, ...], Meta(min_length=1, max_length=20)]
    seconds: Annotated[float, Meta(gt=0, le=31 * 86_400)] = 3600.0
    comment: Annotated[str, Meta(max_length=1000)] = ""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: pending, active or expired."""

    id: str
    state: Literal["pending", "active", "expired"]
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str


@runtime_checkable
class AlertBoard(Protocol):
    """Where alerts are collected. Every coroutine raises UpstreamError when it does not answer."""

    def last_alerts(self) -> Sequence[Alert]:
        """As they were when somebody looked last, seconds ago. No waiting; the same object until they change."""
        ...

    async def alerts(self) -> Sequence[Alert]: ...

    async def silences(self) -> Sequence[Silence]: ...

    async def silence(self, wanted: NewSilence, by: str) -> Silence:
        """`by`: who is told to have made it. Raises InvalidRequest."""
        ...

    async def expire(self, id: str) -> None:
        """End a silence now. Raises NotFound."""
        ...
