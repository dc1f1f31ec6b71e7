"""What the platform needs to know of a chat request before it lets the bytes through."""

from typing import Annotated

import msgspec

from app.wire.head import Head, Peek, Positive, StreamOptions


class _Part(msgspec.Struct, gc=False):
    type: str


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str | list[_Part] | None = None


class _Tool(msgspec.Struct, gc=False):
    type: str


class ChatHead(Head, gc=False, kw_only=True, rename={"streams": "stream"}):
    """The fields that routing, limits and accounting look at; only their types are checked."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    streams: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None

    @property
    def stream(self) -> bool:
        return self.streams is True

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def max_output_tokens(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


peek = Peek(
    ChatHead,
    b'"model"',
    b'"stream"',
    b'"stream_options"',
    b'"messages"',
    b'"max_tokens"',
    b'"max_completion_tokens"',
    b'"n"',
)
