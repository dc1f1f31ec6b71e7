"""Ollama's answers as domain events.

An answer is a stream of JSON lines, the last with "done": true; a line {"error": …} ends a stream that failed. An
answer that was not streamed is one such line, so one decoder reads both, and chat and generate differ only in
where the text stands. https://docs.ollama.com/api/streaming
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from app.domain.chat import FinishReason, TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import ProviderProtocolError
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.integrations.model_platforms.ollama import errors
from app.integrations.model_platforms.ollama.lines import Alternative, Call, Embeddings, Line, Logprob
from app.integrations.model_platforms.ollama.request import FORMAT
from app.wire.ndjson import LineSplitter

_LINES = msgspec.json.Decoder(Line)
_EMBEDDINGS = msgspec.json.Decoder(Embeddings)
_DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


class StreamDecoder:
    """Feed it bytes as they come; it gives the events that are complete. `id` names the answer: Ollama does not.

    `num_ctx`: the context length that was asked for. A server that cuts prompts to it all the same is found out by
    its own count of the prompt's tokens, and the answer, being one to another question, becomes an error.
    """

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        id: str,
        choice: int = 0,
        num_ctx: int | None = None,
    ) -> None:
        self._provider = provider
        self._model = model
        self._id = id
        self._choice = choice
        self._num_ctx = num_ctx
        self._lines = LineSplitter()
        self._started = False
        self._calls = 0
        self._done = False

    def feed(self, data: bytes) -> Iterator[ChatEvent]:
        """Iterate it to its end: what came before a bad line is given before that line raises.

        Raises what an error line means, and ProviderProtocolError for what is no line of Ollama's.
        """
        for line in self._lines.feed(data):
            yield from self._decode(line)

    def close(self) -> Iterator[ChatEvent]:
        """The events of a last line without a line break. Raises ProviderProtocolError for a missing end."""
        for line in self._lines.flush():
            yield from self._decode(line)
        if not self._done:
            raise ProviderProtocolError(
                f"The answer of '{self._provider}' broke off before its end.", provider=self._provider
            )

    def _decode(self, data: bytes) -> list[ChatEvent]:
        if self._done:
            return []
        line = self._line(data)
        body = line.message
        if (
            body
            and self._started
            and not (line.done or line.error or line.logprobs or body.thinking or body.tool_calls)
        ):
            return [TextDelta(text=body.content, choice=self._choice)] if body.content else []
        if line.error:
            raise errors.from_text(line.error, provider=self._provider, model=self._model)
        if line.done and self._num_ctx is not None and line.prompt_eval_count >= self._num_ctx:
            raise errors.context_length_exceeded(self._provider, self._model)
        events = self._opening(line)
        events += self._deltas(line)
        if line.done:
            events += self._ending(line)
        return events

    def _line(self, data: bytes) -> Line:
        try:
            return _LINES.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ProviderProtocolError(
                f"'{self._provider}' sent a line that is not one of Ollama's.", provider=self._provider
            ) from None

    def _opening(self, line: Line) -> list[ChatEvent]:
        if self._started:
            return []
        self._started = True
        return [Started(id=self._id, model=line.model or self._model, created=unix_seconds(line.created_at))]

    def _deltas(self, line: Line) -> list[ChatEvent]:
        body = line.message
        text = body.content if body else line.response
        thought = body.thinking if body else line.thinking
        events: list[ChatEvent] = []
        if thought:
            events.append(ReasoningDelta(text=thought, choice=self._choice))
        if text or line.logprobs:
            logprobs = tuple(_token(each) for each in line.logprobs or ())
            events.append(TextDelta(text=text, choice=self._choice, logprobs=logprobs))
        for call in (body.tool_calls if body else None) or ():
            events += self._tool_call(call)
        return events

    def _tool_call(self, call: Call) -> list[ChatEvent]:
        """Calls come whole. Their ids are younger than the calls themselves (v0.12.10), so one may be missing."""
        index = self._calls
        self._calls += 1
        name = call.function.name
        arguments = bytes(call.function.arguments).decode()
        return [
            ToolCallStarted(
                index=index, id=call.id or f"call_{self._id[-24:]}_{index}", name=name, choice=self._choice
            ),
            ToolCallDelta(index=index, arguments="{}" if arguments == "null" else arguments, choice=self._choice),
        ]

    def _ending(self, line: Line) -> list[ChatEvent]:
        self._done = True
        reason: FinishReason = "stop"
        if line.done_reason == "length":
            reason = "length"
        elif self._calls:
            reason = "tool_calls"
        return [Finished(reason=reason, choice=self._choice), UsageReported(usage=_usage(line))]


def decode_embeddings(body: bytes, *, provider: str, model: str, expected: int) -> EmbeddingResult:
    """`expected`: how many texts were sent. Raises ProviderProtocolError unless as many vectors came back."""
    try:
        answer = _EMBEDDINGS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ProviderProtocolError(f"'{provider}' sent no embeddings.", provider=provider) from None
    if len(answer.embeddings) != expected:
        raise ProviderProtocolError(
            f"'{provider}' sent {len(answer.embeddings)} vectors for {expected} texts.", provider=provider
        )
    return EmbeddingResult(
        model=answer.model or model,
        vectors=tuple(answer.embeddings),
        usage=Usage(input_tokens=answer.prompt_eval_count),
    )


def unix_seconds(text: str) -> int:
    """Of an RFC 3339 time; 0 where there is none to be read."""
    try:
        return max(0, int(msgspec.convert(text, datetime, strict=False).timestamp()))
    except msgspec.MsgspecError:
        return 0


def _token(each: Logprob) -> TokenLogprob:
    top = tuple(_alternative(other) for other in each.top_logprobs or ())
    return TokenLogprob(
        token=each.token, logprob=each.logprob, bytes=tuple(each.bytes) if each.bytes else None, top=top
    )


def _alternative(each: Alternative) -> TokenLogprob:
    return TokenLogprob(token=each.token, logprob=each.logprob, bytes=tuple(each.bytes) if each.bytes else None)


def _usage(line: Line) -> Usage:
    durations = {name: getattr(line, name) for name in _DURATIONS if getattr(line, name)}
    return Usage(
        input_tokens=line.prompt_eval_count,
        output_tokens=line.eval_count,
        extensions={FORMAT: durations} if durations else {},
    )
