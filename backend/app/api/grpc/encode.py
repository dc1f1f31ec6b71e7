"""Answers, from the domain to protobuf."""

from collections.abc import Callable, Iterable
from typing import Any

from app.api.grpc.content import encode_answer
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.domain.chat import ChatResult, Choice, FinishReason, TextPart, TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage

_REASONS: dict[FinishReason, pb.FinishReason] = {
    "stop": pb.FINISH_REASON_STOP,
    "length": pb.FINISH_REASON_LENGTH,
    "tool_calls": pb.FINISH_REASON_TOOL_CALLS,
    "content_filter": pb.FINISH_REASON_CONTENT_FILTER,
    "error": pb.FINISH_REASON_ERROR,
}


def encode_event(event: ChatEvent) -> pb.ChatEvent:
    return ENCODERS[type(event)](event)


def _text(event: TextDelta) -> pb.ChatEvent:
    text = pb.TextDelta(text=event.text, choice=event.choice, logprobs=_logprobs(event.logprobs))
    return pb.ChatEvent(text=text)


def _started(event: Started) -> pb.ChatEvent:
    return pb.ChatEvent(started=pb.Started(id=event.id, model=event.model, created=event.created))


def _reasoning(event: ReasoningDelta) -> pb.ChatEvent:
    thought = pb.ReasoningDelta(text=event.text, choice=event.choice, signature=event.signature or "")
    return pb.ChatEvent(reasoning=thought)


def _refusal(event: RefusalDelta) -> pb.ChatEvent:
    return pb.ChatEvent(refusal=pb.TextDelta(text=event.text, choice=event.choice))


def _call_started(event: ToolCallStarted) -> pb.ChatEvent:
    call = pb.ToolCallStarted(index=event.index, id=event.id, name=event.name, choice=event.choice)
    return pb.ChatEvent(tool_call_started=call)


def _call_piece(event: ToolCallDelta) -> pb.ChatEvent:
    piece = pb.ToolCallDelta(index=event.index, arguments=event.arguments, choice=event.choice)
    return pb.ChatEvent(tool_call=piece)


def _finished(event: Finished) -> pb.ChatEvent:
    reason, met = _REASONS[event.reason], event.stop_sequence or ""
    return pb.ChatEvent(finished=pb.Finished(reason=reason, choice=event.choice, stop_sequence=met))


def _reported(event: UsageReported) -> pb.ChatEvent:
    return pb.ChatEvent(usage=_usage(event.usage))


ENCODERS: dict[type, Callable[[Any], pb.ChatEvent]] = {
    TextDelta: _text,
    Started: _started,
    ReasoningDelta: _reasoning,
    RefusalDelta: _refusal,
    ToolCallStarted: _call_started,
    ToolCallDelta: _call_piece,
    Finished: _finished,
    UsageReported: _reported,
}
"""One for each member of ChatEvent."""


def encode_reply(result: ChatResult) -> pb.ChatReply:
    """Raises UnsupportedFeature for a part that has no place here."""
    first = result.choices[0].message.content if result.choices else ()
    return pb.ChatReply(
        id=result.id,
        model=result.model,
        created=result.created,
        text="".join(part.text for part in first if isinstance(part, TextPart)),
        choices=[_choice(choice) for choice in result.choices],
        usage=_usage(result.usage),
    )


def encode_embeddings(result: EmbeddingResult) -> pb.EmbedReply:
    return pb.EmbedReply(
        model=result.model,
        embeddings=[pb.Embedding(values=vector) for vector in result.vectors],
        usage=_usage(result.usage),
    )


def _choice(choice: Choice) -> pb.Choice:
    reason = choice.finish_reason
    return pb.Choice(
        index=choice.index,
        message=encode_answer(choice.message.content),
        finish_reason=_REASONS[reason] if reason else pb.FINISH_REASON_UNSPECIFIED,
        stop_sequence=choice.stop_sequence or "",
        logprobs=_logprobs(choice.logprobs),
    )


def _usage(usage: Usage | None) -> pb.Usage | None:
    """None leaves the field unset."""
    if usage is None:
        return None
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
    )


def _logprobs(logprobs: Iterable[TokenLogprob]) -> list[pb.TokenLogprob]:
    return [
        pb.TokenLogprob(
            token=each.token, logprob=each.logprob, utf8=bytes(each.bytes or ()), top=_logprobs(each.top)
        )
        for each in logprobs
    ]
