"""What the platform needs to know of a request before it lets the bytes through."""

from typing import Annotated

import msgspec

from app.wire.head import Head, Peek


class _Block(msgspec.Struct, gc=False):
    type: str


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct, gc=False):
    """A tool without a type is one of the caller's own."""

    type: str | None = None


class CountHead(Head, gc=False, kw_only=True):
    """Of a request to count tokens: a request for a message, less the limit."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None


class MessageHead(CountHead, gc=False, kw_only=True, rename={"streams": "stream"}):
    """The fields that routing, limits and accounting look at; only their types are checked.

    A `max_tokens` of 0 is allowed: it warms a prompt cache.
    """

    max_tokens: Annotated[int, msgspec.Meta(ge=0)]
    streams: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None

    @property
    def stream(self) -> bool:
        return self.streams is True


_NAMES = (b'"model"', b'"messages"', b'"system"', b'"tools"')

peek = Peek(MessageHead, *_NAMES, b'"stream"', b'"max_tokens"')
peek_count = Peek(CountHead, *_NAMES)
