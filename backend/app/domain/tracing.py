"""Where a request stands in a distributed trace, as the W3C's Trace Context tells it, and what a tracer is told.

https://www.w3.org/TR/trace-context/
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import getrandbits
from typing import Any, Protocol, runtime_checkable

import msgspec

SAMPLED = 1
_KNOWN_FLAGS = 3  # sampled, and random: the others have no meaning yet, and may not be handed on

_PARENT = re.compile(r"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[ -~\t]{1,512}")


class Told(msgspec.Struct, eq=False):
    """What is known of a call that is recorded beside its EndedCall. `request` gives what was asked, None where
    that can't be told; `route` as Call has it. `answered`: an answer began. `id`, `model` and `reasons` are the
    answer's own; `text`: its first `most` characters. `error`: what ended it.
    """

    request: Callable[[], Any]
    route: str = ""
    answered: bool = False
    error: BaseException | None = None
    id: str | None = None
    model: str | None = None
    reasons: list[str] = msgspec.field(default_factory=list)
    text: str = ""
    most: int = 0

    def add(self, text: str) -> None:
        if len(self.text) < self.most:
            self.text = (self.text + text)[: self.most]


class Trace(msgspec.Struct, eq=False):
    """`id`: the trace. `parent`: the caller's span, or one that stands for it. `span`: the call's own; empty
    where the call is not recorded, and then whoever is asked next hears what the caller sent.
    """

    id: str
    parent: str
    flags: int = 0
    state: str = ""
    span: str = ""
    told: Told | None = None

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def headers(self, span: str = "") -> tuple[tuple[str, str], ...]:
        """For who is asked next, by `span` or else by the caller's."""
        parent = ("traceparent", f"00-{self.id}-{span or self.parent}-{self.flags:02x}")
        return (parent, ("tracestate", self.state)) if self.state else (parent,)


def received(parent: str | None, state: str | None = None) -> Trace | None:
    """From the headers traceparent and tracestate. What can't be made out counts as not sent: a trace is no reason
    to refuse anybody.
    """
    if not parent or (found := _PARENT.fullmatch(parent)) is None:
        return None
    version, id, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    kept = state if state and _STATE.fullmatch(state) else ""
    return Trace(id, span, int(flags, 16) & _KNOWN_FLAGS, kept)


def told_in(fields: Any) -> Trace | None:
    """As `received`, from the fields of a message."""
    if not isinstance(fields, Mapping):
        return None
    parent, state = fields.get("traceparent"), fields.get("tracestate")
    return received(parent, state if isinstance(state, str) else None) if isinstance(parent, str) else None


def new_trace() -> int:
    return getrandbits(128) or 1


def new_span() -> str:
    return f"{getrandbits(64) or 1:016x}"


@runtime_checkable
class Tracer(Protocol):
    """Decides of each call whether it is recorded. Its spans are made when it is over, from the EndedCall.

    `tracing`: whether it wants to be asked. `content`: how many characters of what is said it wants to know, 0 for
    none.
    """

    @property
    def tracing(self) -> bool: ...

    @property
    def content(self) -> int: ...

    def begin(self, trace: Trace | None) -> Trace:
        """`trace`: what the caller sent. Of one that is recorded `span` is set. It takes microseconds."""
        ...

    def within(self, trace: Trace) -> AbstractContextManager[object]:
        """What the block begins to trace belongs to the call."""
        ...
