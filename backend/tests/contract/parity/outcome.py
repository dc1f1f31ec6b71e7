"""What a request came to, in words that belong to no protocol: drivers tell pieces, `Heard` folds them."""

import json
from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias

import msgspec

from app.domain.chat import ChatRequest

NO_DEADLINE = {"deadline": "the protocol has none"}


class Text(msgspec.Struct, frozen=True):
    text: str


class Thought(msgspec.Struct, frozen=True):
    text: str


class Called(msgspec.Struct, frozen=True):
    """`index` is whatever the protocol tells the calls of one answer apart by."""

    index: int
    id: str
    name: str


class Argued(msgspec.Struct, frozen=True):
    index: int
    arguments: str


class Ended(msgspec.Struct, frozen=True):
    """`reason`: stop, length, tool_calls or content_filter."""

    reason: str


class Used(msgspec.Struct, frozen=True):
    """`input` includes `cached`."""

    input: int
    output: int
    cached: int = 0


Piece = Text | Thought | Called | Argued | Ended | Used
Answer: TypeAlias = AsyncGenerator[Piece, None]


class Fault(Exception):
    """An error as the caller is told it. `word` says what to do about it:

    invalid (change the request), too_long (shorten it), unauthenticated, not_found, rate_limited (ask less),
    server (a provider or the platform failed), timeout. `retry_after`: seconds.
    """

    def __init__(self, word: str, retry_after: float | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.retry_after = retry_after


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the domain's own words, and what is wrong or special about how it is sent.

    `wrong`: a field that is not of its type. `key`: None sends none. `deadline`: seconds, where the protocol has
    one. `pieces`: the body is sent in pieces that cut characters. A request whose model is "" names none.
    """

    request: ChatRequest
    wrong: dict[str, object] = {}
    key: str | None = None
    deadline: float | None = None
    pieces: bool = False


class FrontEnd(Protocol):
    """One way to ask. `streams`: the answer comes piece by piece. `lacks`: what the protocol has no room for, and
    why. `ask` raises Fault; cancelling it is how its caller leaves.
    """

    name: str
    streams: bool
    lacks: dict[str, str]

    def ask(self, asking: Asking, /) -> Answer: ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`text` of an answer that failed is what came before. `usage`: input, output, cached. `record`: how the
    platform booked it. `closed`: upstreams that were released. `asked`: what each provider was asked.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    finish: str | None = None
    usage: tuple[int, int, int] | None = None
    error: str | None = None
    retry_after: float | None = None
    record: str | None = None
    closed: int = 1
    asked: tuple[object, ...] = ()


class Heard:
    """Folds an answer."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: dict[int, list[str]] = {}
        self.finish: str | None = None
        self.usage: tuple[int, int, int] | None = None
        self.fault: Fault | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case Text():
                self.text += piece.text
            case Thought():
                self.reasoning += piece.text
            case Called():
                self.calls[piece.index] = [piece.id, piece.name, ""]
            case Argued():
                self.calls[piece.index][2] += piece.arguments
            case Ended():
                assert self.finish is None, "an answer ends once"
                self.finish = piece.reason
            case Used():
                self.usage = (piece.input, piece.output, piece.cached)

    def outcome(self, *, record: str | None, closed: int, asked: tuple[object, ...]) -> Outcome:
        fault = self.fault
        return Outcome(
            text=self.text,
            reasoning=self.reasoning,
            calls=tuple((id, name, same_json(arguments)) for id, name, arguments in self.calls.values()),
            finish=self.finish,
            usage=self.usage,
            error=fault.word if fault else None,
            retry_after=fault.retry_after if fault else None,
            record=record,
            closed=closed,
            asked=asked,
        )


def same_json(text: str) -> str:
    """Arguments in one spelling: some protocols carry them as a value."""
    return json.dumps(json.loads(text or "{}"))


def bare(request: ChatRequest) -> object:
    """What is asked, whatever the protocol: no leftovers of a format, no wish to stream.

    The turns are their parts, each with who said it: protocols differ in whose turn the result of a tool stands
    in, and in how those of several tools are split.
    """
    plain = _plain(msgspec.to_builtins(request))
    assert isinstance(plain, dict)
    said = [
        ("tool" if part["type"] == "tool_result" else message["role"], part)
        for message in plain.pop("messages")
        for part in message.get("content", [])
    ]
    form = plain.pop("response_format", {})
    for name in ("stream", "include_usage"):
        plain.pop(name, None)
    return {**plain, "said": said, "form": (form.get("kind"), form.get("schema"))}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if name != "extensions" and inner is not None}
        return {name: same_json(kept[name]) if name == "arguments" else _plain(kept[name]) for name in kept}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    # A megabyte of text would make a difference unreadable.
    return (len(value), hash(value)) if isinstance(value, str) and len(value) > 1000 else value
