"""The one shape of every answer: a stream of events.

Order within a stream: Started first, then any mix of deltas, then one Finished per choice, then at most one
UsageReported. A provider that speaks the caller's own format may yield Opaque instead; then no other event but
UsageReported stands in the stream (its figures are already inside the opaque bytes: encoders pass over it).
A failure is raised, never yielded.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import msgspec

from app.domain.chat import FinishReason, TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.usage import Usage


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`extensions[format]` may hold four objects, named after the value of app.domain.chat that they belong to:
    `result`, `choice`, `message` and `part`. A TextDelta of no text may be there for its extensions alone.
    """

    extensions: dict[str, dict[str, Any]] = {}


class Started(Event, frozen=True, tag="started"):
    """`created`: Unix seconds."""

    id: str
    model: str
    created: int


class TextDelta(Event, frozen=True, tag="text"):
    text: str
    choice: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(Event, frozen=True, tag="reasoning"):
    """A piece of thinking. A `signature` closes the block that it signs."""

    text: str
    choice: int = 0
    signature: str | None = None


class RefusalDelta(Event, frozen=True, tag="refusal"):
    text: str
    choice: int = 0


class ToolCallStarted(Event, frozen=True, tag="tool_call_started"):
    """`index` counts the calls of one choice from 0."""

    index: int
    id: str
    name: str
    choice: int = 0


class ToolCallDelta(Event, frozen=True, tag="tool_call_delta"):
    """A fragment of a call's JSON arguments; fragments of several calls may alternate."""

    index: int
    arguments: str
    choice: int = 0


class Finished(Event, frozen=True, tag="finished"):
    reason: FinishReason
    choice: int = 0
    stop_sequence: str | None = None


class UsageReported(Event, frozen=True, tag="usage"):
    usage: Usage


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """Bytes of the wire format `format`, to be handed on untouched.

    `whole`: the entire body of an answer that does not stream. Otherwise a run of complete stream frames:
    a frame is never cut in two. `last`: the end that the format has is in there, and the figures, if there are
    any, were told before it: whoever reads it has the whole answer.
    """

    format: str
    data: bytes
    whole: bool = False
    last: bool = False


ChatEvent = (
    Started
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | Finished
    | UsageReported
)
StreamEvent = ChatEvent | Opaque | EmbeddingResult


class EventStream(Protocol):
    """An answer under way. Whoever holds one closes it; closing releases the upstream at once."""

    def __aiter__(self) -> AsyncIterator[StreamEvent]: ...

    def __anext__(self) -> Awaitable[StreamEvent]: ...

    async def aclose(self) -> None: ...
