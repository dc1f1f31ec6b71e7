"""What a generation answers, whole or piece by piece, made from domain values."""

from enum import Enum
from typing import Annotated, assert_never

import strawberry

from app.api.graphql.allowances import LimitUnit
from app.api.graphql.scalars import Count
from app.api.standings import told
from app.domain import events
from app.domain.chat import ChatResult, Choice, ReasoningPart, RefusalPart, TextPart, ToolCall
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InternalError, ProviderProtocolError
from app.domain.usage import Usage
from app.inference.call import Call


@strawberry.enum(description="Why the model stopped.")
class FinishReason(Enum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    ERROR = "error"


@strawberry.type(name="Usage", description="Tokens. `inputTokens` includes those that were cached.")
class TokenUsage:
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool = strawberry.field(description="Counted by the platform, where the provider did not tell.")


@strawberry.type(name="ToolCall", description="The model asks for a tool.")
class CalledTool:
    id: strawberry.ID
    name: str
    arguments: str = strawberry.field(description="JSON text as the model wrote it, valid or not.")


@strawberry.type(description="How you stand with a limit, once the request has taken what it may need.")
class LimitStanding:
    unit: LimitUnit
    limit: Count
    window: float = strawberry.field(description="Seconds; it slides.")
    remaining: Count
    reset: float = strawberry.field(description="Seconds until all of it is there again.")


@strawberry.type(description="A whole answer.")
class GeneratedText:
    id: strawberry.ID
    model: str
    text: str
    reasoning: str | None
    refusal: str | None
    tool_calls: list[CalledTool]
    finish_reason: FinishReason | None
    stop_sequence: str | None
    tokens: int | None = strawberry.field(description="Input and output together.")
    cost: float | None = strawberry.field(description="In US dollars; null where no price is known.")
    usage: TokenUsage | None
    limits: list[LimitStanding] = strawberry.field(description="Those of your tier; none where it has none.")


def generated(result: ChatResult, call: Call) -> GeneratedText:
    """The first choice: one is all that can be asked for."""
    if not result.choices:
        raise ProviderProtocolError("The provider's answer holds no choice.")
    choice = result.choices[0]
    return GeneratedText(
        id=strawberry.ID(result.id),
        model=result.model,
        text=_joined(choice, TextPart) or "",
        reasoning=_joined(choice, ReasoningPart),
        refusal=_joined(choice, RefusalPart),
        tool_calls=[
            CalledTool(id=strawberry.ID(part.id), name=part.name, arguments=part.arguments)
            for part in choice.message.content
            if isinstance(part, ToolCall)
        ],
        finish_reason=None if choice.finish_reason is None else FinishReason(choice.finish_reason),
        stop_sequence=choice.stop_sequence,
        tokens=result.usage.total_tokens if result.usage else None,
        cost=call.cost(result.usage),
        usage=_usage(result.usage),
        limits=_limits(call),
    )


def _joined(choice: Choice, kind: type[TextPart | ReasoningPart | RefusalPart]) -> str | None:
    texts = [part.text for part in choice.message.content if isinstance(part, kind)]
    return "".join(texts) if texts else None


def _limits(call: Call) -> list[LimitStanding]:
    return [
        LimitStanding(
            unit=LimitUnit(each.unit),
            limit=Count(each.limit),
            window=each.window,
            remaining=Count(each.remaining),
            reset=each.reset,
        )
        for each in told(call.standings)
    ]


def _usage(usage: Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    return TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
    )


@strawberry.type(description="Comes first.")
class Started:
    id: strawberry.ID
    model: str


@strawberry.type
class TextDelta:
    text: str


@strawberry.type
class ReasoningDelta:
    text: str
    signature: str | None = strawberry.field(description="Proves the thinking to the provider that wrote it.")


@strawberry.type
class RefusalDelta:
    text: str


@strawberry.type(description="The model begins to call a tool. `index` counts the calls from 0.")
class ToolCallStarted:
    index: int
    id: strawberry.ID
    name: str


@strawberry.type(description="A piece of a call's arguments; pieces of several calls may alternate.")
class ToolCallDelta:
    index: int
    arguments: str


@strawberry.type(description="Comes last.")
class Done:
    finish_reason: FinishReason | None
    stop_sequence: str | None
    tokens: int | None = strawberry.field(description="Input and output together.")
    cost: float | None = strawberry.field(description="In US dollars; null where no price is known.")
    usage: TokenUsage | None
    limits: list[LimitStanding] = strawberry.field(description="Those of your tier; none where it has none.")


GenerationEvent = Annotated[
    Started | TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta | Done,
    strawberry.union("GenerationEvent", description="A piece of an answer."),
]


class Encoder:
    """Domain events to those of GraphQL, one to at most one. What ends the answer is kept for `done`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._finished: events.Finished | None = None
        self._usage: Usage | None = None

    def encode(self, event: events.StreamEvent) -> GenerationEvent | None:
        """None for what is not told by itself."""
        match event:
            case events.Finished():
                self._finished = event
            case events.UsageReported():
                self._usage = event.usage
            case events.Started():
                return Started(id=strawberry.ID(event.id), model=event.model)
            case events.Opaque() | EmbeddingResult():
                raise InternalError("Only a decoded answer can be told in events.")
            case _:
                return _delta(event)
        return None

    def done(self) -> Done:
        finished, usage = self._finished, self._usage
        return Done(
            finish_reason=None if finished is None else FinishReason(finished.reason),
            stop_sequence=None if finished is None else finished.stop_sequence,
            tokens=usage.total_tokens if usage else None,
            cost=self._call.cost(usage),
            usage=_usage(usage),
            limits=_limits(self._call),
        )


_Delta = (
    events.TextDelta | events.ReasoningDelta | events.RefusalDelta | events.ToolCallStarted | events.ToolCallDelta
)


def _delta(event: _Delta) -> GenerationEvent | None:
    match event:
        case events.TextDelta():
            return TextDelta(text=event.text) if event.text else None
        case events.ReasoningDelta():
            return ReasoningDelta(text=event.text, signature=event.signature)
        case events.RefusalDelta():
            return RefusalDelta(text=event.text)
        case events.ToolCallStarted():
            return ToolCallStarted(index=event.index, id=strawberry.ID(event.id), name=event.name)
        case events.ToolCallDelta():
            return ToolCallDelta(index=event.index, arguments=event.arguments)
        case _:
            assert_never(event)
