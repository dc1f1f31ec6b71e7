"""A stream of events folded into a result, and a result unfolded into events."""

from collections.abc import AsyncIterable, Iterator
from typing import Any, assert_never

from app.domain.chat import (
    ChatResult,
    Choice,
    Extensions,
    FinishReason,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCall,
)
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InternalError, ProviderProtocolError, UnsupportedFeature
from app.domain.events import (
    ChatEvent,
    Event,
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.extending import Joined
from app.domain.usage import Usage
from app.domain.whole import Whole

_NO_PART_OF_A_RESULT = (Opaque, EmbeddingResult)


async def collect(stream: AsyncIterable[StreamEvent]) -> ChatResult:
    """The whole answer. Raises what the stream raises, and ProviderProtocolError if it never started."""
    collector = Collector()
    for event in stream.events if type(stream) is Whole else [event async for event in stream]:
        if isinstance(event, _NO_PART_OF_A_RESULT):
            raise InternalError("Only a decoded answer to a chat or text request can be collected.")
        collector.add(event)
    return collector.result()


class Collector:
    """Folds events one by one. Neighbouring deltas of one kind make one part; the parts keep their order."""

    def __init__(self) -> None:
        self._started: Started | None = None
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._kept = Joined()

    def add(self, event: ChatEvent) -> None:
        if event.extensions:
            self._kept.add(event.extensions, "result")
        if isinstance(event, Started):
            self._started = event
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        else:
            choice = self._choices.get(event.choice)
            if choice is None:
                choice = self._choices[event.choice] = _Choice()
            choice.add(event)

    def result(self) -> ChatResult:
        """Raises ProviderProtocolError if nothing has started."""
        if self._started is None:
            raise ProviderProtocolError("The provider's answer ended before it began.")
        return ChatResult(
            id=self._started.id,
            model=self._started.model,
            created=self._started.created,
            choices=tuple(choice.result(index) for index, choice in sorted(self._choices.items())),
            usage=self._usage,
            extensions=self._kept.extensions(),
        )


class _Part:
    """A part that is still growing."""

    def __init__(self, kind: type[Event], id: str = "", name: str = "") -> None:
        self.kind = kind
        self.id = id
        self.name = name
        self.texts: list[str] = []
        self.signature: str | None = None
        self.kept = Joined()

    def result(self) -> Part:
        text, kept = "".join(self.texts), self.kept.extensions()
        if self.kind is ToolCallStarted:
            return ToolCall(id=self.id, name=self.name, arguments=text, extensions=kept)
        if self.kind is ReasoningDelta:
            return ReasoningPart(text=text, signature=self.signature, extensions=kept)
        if self.kind is RefusalDelta:
            return RefusalPart(text=text, extensions=kept)
        return TextPart(text=text, extensions=kept)


class _Choice:
    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._calls: dict[int, _Part] = {}
        self._reason: FinishReason | None = None
        self._stop_sequence: str | None = None
        self._logprobs: list[TokenLogprob] = []
        self._kept = Joined(lists=True)
        self._message = Joined(lists=True, texts=True)

    def add(
        self, event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta | Finished
    ) -> None:
        if event.extensions:
            self._kept.add(event.extensions, "choice")
            self._message.add(event.extensions, "message")
        match event:
            case TextDelta():
                self._logprobs.extend(event.logprobs)
                self._append(event)
            case Finished():
                self._reason, self._stop_sequence = event.reason, event.stop_sequence
            case ReasoningDelta():
                self._append(event, event.signature)
            case RefusalDelta():
                self._append(event)
            case ToolCallStarted():
                call = self._calls[event.index] = _Part(ToolCallStarted, event.id, event.name)
                self._parts.append(call)
                call.kept.add(event.extensions, "part")
            case ToolCallDelta():
                self._continue(event)
            case _:
                assert_never(event)

    def _append(self, event: TextDelta | ReasoningDelta | RefusalDelta, signature: str | None = None) -> None:
        kept = event.extensions
        if not (event.text or signature or (kept and Joined.has(kept, "part"))):
            return
        part = self._parts[-1] if self._parts else None
        if part is None or part.kind is not type(event) or part.signature is not None:
            part = _Part(type(event))
            self._parts.append(part)
        part.texts.append(event.text)
        part.signature = signature
        if kept:
            part.kept.add(kept, "part")

    def _continue(self, event: ToolCallDelta) -> None:
        call = self._calls.get(event.index)
        if call is None:
            raise ProviderProtocolError("The provider sent arguments for a tool call that it never began.")
        call.texts.append(event.arguments)
        if event.extensions:
            call.kept.add(event.extensions, "part")

    def result(self, index: int) -> Choice:
        content = tuple(part.result() for part in self._parts)
        return Choice(
            index=index,
            message=Message(role="assistant", content=content, extensions=self._message.extensions()),
            finish_reason=self._reason,
            stop_sequence=self._stop_sequence,
            logprobs=tuple(self._logprobs),
            extensions=self._kept.extensions(),
        )


def explode(result: ChatResult) -> Iterator[ChatEvent]:
    """Events that `collect` folds into `result` again; neighbouring parts of one kind come back as one.

    Raises UnsupportedFeature for a part that has no delta.
    """
    yield Started(
        id=result.id,
        model=result.model,
        created=result.created,
        extensions=_at(result=result.extensions) if result.extensions else {},
    )
    for choice in result.choices:
        yield from _explode_choice(choice)
    if result.usage is not None:
        yield UsageReported(usage=result.usage)


def _explode_choice(choice: Choice) -> Iterator[ChatEvent]:
    index = choice.index
    if choice.logprobs:
        yield TextDelta(text="", choice=index, logprobs=choice.logprobs)
    call = 0
    for part in choice.message.content:
        yield from _explode_part(part, index, call)
        call += isinstance(part, ToolCall)
    mine, said = choice.extensions, choice.message.extensions
    kept = _at(choice=mine, message=said) if mine or said else {}
    if choice.finish_reason is not None:
        reason, stop_sequence = choice.finish_reason, choice.stop_sequence
        yield Finished(reason=reason, choice=index, stop_sequence=stop_sequence, extensions=kept)
    else:
        yield TextDelta(text="", choice=index, extensions=kept)


def _explode_part(part: Part, choice: int, call: int) -> Iterator[ChatEvent]:
    kept = _at(part=part.extensions) if part.extensions else {}
    match part:
        case TextPart():
            yield TextDelta(text=part.text, choice=choice, extensions=kept)
        case ReasoningPart():
            yield ReasoningDelta(text=part.text, choice=choice, signature=part.signature, extensions=kept)
        case RefusalPart():
            yield RefusalDelta(text=part.text, choice=choice, extensions=kept)
        case ToolCall():
            yield ToolCallStarted(index=call, id=part.id, name=part.name, choice=choice, extensions=kept)
            if part.arguments:
                yield ToolCallDelta(index=call, arguments=part.arguments, choice=choice)
        case _:
            raise UnsupportedFeature(f"A part of the kind '{type(part).__name__}' can't be streamed.")


def _at(**levels: Extensions) -> dict[str, dict[str, Any]]:
    """Extensions of values (format → fields) as an event's (format → level → fields)."""
    kept: dict[str, dict[str, Any]] = {}
    for level, extensions in levels.items():
        for format, fields in extensions.items():
            kept.setdefault(format, {})[level] = fields
    return kept
