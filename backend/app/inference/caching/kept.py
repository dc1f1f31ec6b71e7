"""An answer as bytes and back, and whether it is worth keeping at all.

It comes back as the events that it was made of, ids and opaque bytes included: the same answer, not one like it.
What tells two requests apart is the id of the request.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from app.domain.events import Finished, Opaque, RefusalDelta, StreamEvent
from app.wire.anthropic_messages import FORMAT as ANTHROPIC_MESSAGES
from app.wire.openai_chat import FORMAT as OPENAI_CHAT
from app.wire.openai_completions import FORMAT as OPENAI_COMPLETIONS
from app.wire.openai_responses import FORMAT as OPENAI_RESPONSES

RUN_BYTES = 64 * 1024
"""Opaque frames are given again together, so many bytes at once: a reader that is slow has to be waited for."""

# What stands in an answer that was cut short or refused. Within a text the quotes would be escaped.
_MARKS = {
    OPENAI_CHAT: re.compile(rb'"finish_reason":\s*"(?:content_filter|error)"|"refusal":\s*"[^"]'),
    OPENAI_COMPLETIONS: re.compile(rb'"finish_reason":\s*"(?:content_filter|error)"'),
    OPENAI_RESPONSES: re.compile(
        rb'"reason":\s*"content_filter"|"type":\s*"refusal"|"status":\s*"(?:failed|cancelled)"'
    ),
    ANTHROPIC_MESSAGES: re.compile(rb'"stop_reason":\s*"refusal"'),
}

# What stands in one that failed, though as an answer it is whole.
_FAILURES = {
    OPENAI_CHAT: re.compile(rb'"finish_reason":\s*"error"'),
    OPENAI_COMPLETIONS: re.compile(rb'"finish_reason":\s*"error"'),
    OPENAI_RESPONSES: re.compile(rb'"status":\s*"(?:failed|cancelled)"'),
}

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(list[StreamEvent])


def size_of(event: StreamEvent) -> int:
    return len(event.data) if type(event) is Opaque else len(_encode(event))


def worth_keeping(events: Sequence[StreamEvent]) -> bool:
    """Whether a whole answer is a good one: the provider neither refused nor cut it for its content."""
    return not any(_spoilt(event) for event in events)


def failed(events: Sequence[StreamEvent]) -> bool:
    """Whether the provider gave up in the middle and said so within its answer."""
    return any(type(event) is Opaque and _marked(event, _FAILURES) for event in events)


def _spoilt(event: StreamEvent) -> bool:
    if type(event) is Opaque:
        return _marked(event, _MARKS)
    return type(event) is RefusalDelta or (type(event) is Finished and event.reason in ("content_filter", "error"))


def _marked(event: Opaque, marks: Mapping[str, re.Pattern[bytes]]) -> bool:
    mark = marks.get(event.format)
    return mark is not None and mark.search(event.data) is not None


def encode(events: Iterable[StreamEvent]) -> bytes:
    return _encode(list(_joined(events)))


def decode(value: bytes) -> list[StreamEvent] | None:
    """None where it is nothing that `encode` made."""
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        return None


def _joined(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """Neighbouring runs of frames as one; the one with the end in it stays by itself."""
    run: list[bytes] = []
    size, format = 0, ""
    for event in events:
        frames = event if type(event) is Opaque and not (event.whole or event.last) else None
        if run and (frames is None or frames.format != format or size >= RUN_BYTES):
            yield Opaque(format, b"".join(run))
            run, size = [], 0
        if frames is None:
            yield event
        else:
            format = frames.format
            run.append(frames.data)
            size += len(frames.data)
    if run:
        yield Opaque(format, b"".join(run))
