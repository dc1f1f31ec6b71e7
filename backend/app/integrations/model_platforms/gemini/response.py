"""Gemini's answers as domain events.

An answer is a stream of frames; one that was not streamed is a single frame, so one decoder reads both. There is
no mark for the end: a candidate has ended when it has a finishReason, and the stream when all have.
https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from app.domain.chat import TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import ContentRefused, ProviderProtocolError, UnsupportedFeature, UpstreamUnavailable
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
from app.integrations.model_platforms.gemini import errors
from app.integrations.model_platforms.gemini.finish import decode_finish
from app.integrations.model_platforms.gemini.frames import (
    Candidate,
    Count,
    Embeddings,
    Frame,
    FunctionCall,
    Logprobs,
    Part,
    TextFrame,
    Token,
    UsageMetadata,
)
from app.wire import call_ids
from app.wire.sse import SSEDecoder

T = TypeVar("T")

_FRAMES = msgspec.json.Decoder(Frame)
_TEXT_FRAMES = msgspec.json.Decoder(TextFrame)


class _Choice:
    __slots__ = ("calls", "ended")

    def __init__(self) -> None:
        self.calls = 0
        self.ended = ""


class AnswerDecoder:
    """Frames in, events out. `id` and `created` (Unix seconds) stand where Gemini gives none."""

    def __init__(self, *, provider: str, model: str, id: str, created: int) -> None:
        self._provider = provider
        self._model = model
        self._id = id
        self._created = created
        self._started = False
        self._choices: dict[int, _Choice] = {}
        self._usage: UsageMetadata | None = None

    def add(self, data: bytes) -> list[ChatEvent]:
        """Raises what an error frame means, ContentRefused for a prompt that was blocked, UpstreamError for an
        answer that failed, ProviderProtocolError for what is no frame of Gemini's.
        """
        if self._choices and (text := self._text(data)):
            return [text]
        frame = self._frame(data)
        if frame.usage_metadata is not None:
            self._usage = frame.usage_metadata
        if not frame.candidates:
            self._check_prompt(frame)
            return []
        events = self._opening(frame)
        for candidate in frame.candidates:
            events += self._candidate(candidate)
        return events

    def _text(self, data: bytes) -> TextDelta | None:
        """Of a frame that is no more than a piece of text; read at a fraction of the cost."""
        try:
            frame = _TEXT_FRAMES.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        (candidate,) = frame.candidates
        (part,) = candidate.content.parts
        if part.thought or not part.text or candidate.index not in self._choices:
            return None
        if frame.usage_metadata is not None:
            self._usage = frame.usage_metadata
        return TextDelta(text=part.text, choice=candidate.index)

    def end(self) -> list[ChatEvent]:
        """Raises UpstreamUnavailable where an end is missing."""
        if not self._choices or not all(choice.ended for choice in self._choices.values()):
            raise UpstreamUnavailable(f"'{self._provider}' ended its answer early.", provider=self._provider)
        events: list[ChatEvent] = [
            Finished(reason=decode_finish(choice.ended, self._provider, called=choice.calls > 0), choice=index)
            for index, choice in sorted(self._choices.items())
        ]
        if self._usage is not None:
            events.append(UsageReported(usage=_usage(self._usage)))
        return events

    def _frame(self, data: bytes) -> Frame:
        try:
            frame = _FRAMES.decode(data)
            failure = frame.error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            failure = errors.read(data)
            if failure is None:
                raise ProviderProtocolError(
                    f"'{self._provider}' sent something that is not Gemini's.", provider=self._provider
                ) from None
        if failure is not None:
            raise errors.classify(failure.code, failure, self._provider, self._model)
        return frame

    def _check_prompt(self, frame: Frame) -> None:
        if frame.prompt_feedback is not None and frame.prompt_feedback.block_reason:
            raise ContentRefused(
                f"The content policy of '{self._provider}' forbids this request "
                f"({frame.prompt_feedback.block_reason[:64]}).",
                code="content_policy_violation",
                provider=self._provider,
            )

    def _opening(self, frame: Frame) -> list[ChatEvent]:
        if self._started:
            return []
        self._started = True
        self._id = frame.response_id or self._id
        return [Started(id=self._id, model=frame.model_version or self._model, created=self._created)]

    def _candidate(self, candidate: Candidate) -> list[ChatEvent]:
        index = candidate.index
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        if candidate.finish_reason:
            choice.ended = candidate.finish_reason
            # Now already: a failure that is the first to be heard leaves room for another try.
            decode_finish(candidate.finish_reason, self._provider, called=False)
        events: list[ChatEvent] = []
        for part in (candidate.content.parts if candidate.content else None) or ():
            self._part(part, index, choice, events)
        if candidate.logprobs_result is not None:
            _add_logprobs(events, index, _logprobs(candidate.logprobs_result))
        return events

    def _part(self, part: Part, index: int, choice: _Choice, events: list[ChatEvent]) -> None:
        if part.function_call is not None:
            events += self._call(part.function_call, part.thought_signature, index, choice)
        elif part.text and part.thought:
            events.append(ReasoningDelta(text=part.text, choice=index))
        elif part.text:
            events.append(TextDelta(text=part.text, choice=index))
        elif part.inline_data is not None or part.file_data is not None:
            raise UnsupportedFeature(
                f"'{self._provider}' answered with an image or sound, which the platform can't hand on: ask a "
                "model that answers in text.",
                param="model",
                provider=self._provider,
            )

    def _call(self, call: FunctionCall, signature: str, index: int, choice: _Choice) -> list[ChatEvent]:
        """Calls come whole."""
        at = choice.calls
        choice.calls += 1
        id = call.id or f"call_{self._id[-24:]}_{index}{at}"
        arguments = msgspec.json.format(bytes(call.args), indent=-1).decode()
        return [
            ToolCallStarted(
                index=at,
                id=call_ids.sign(id, signature) if signature else id,
                name=call.name,
                choice=index,
            ),
            ToolCallDelta(index=at, arguments="{}" if arguments == "null" else arguments, choice=index),
        ]


class StreamDecoder:
    """Feed it bytes as they come; it gives the events that are complete. Raises what AnswerDecoder raises."""

    def __init__(self, answer: AnswerDecoder) -> None:
        self._answer = answer
        self._frames = SSEDecoder()

    def feed(self, chunk: bytes) -> Iterator[ChatEvent]:
        """Iterate it to its end: what came before a bad frame is given before that frame raises."""
        for frame in self._frames.feed(chunk):
            yield from self._answer.add(frame.data)

    def close(self) -> Iterator[ChatEvent]:
        """The events of the end, and of a last frame that lacks its empty line. An error comes there bare."""
        rest = self._frames.pending
        if rest.lstrip().startswith((b"{", b"[")):
            yield from self._answer.add(rest)
        else:
            for frame in self._frames.close():
                yield from self._answer.add(frame.data)
        yield from self._answer.end()


def decode_embeddings(body: bytes, *, provider: str, expected: int) -> Embeddings:
    """Of one request. `expected`: how many texts were sent. Raises ProviderProtocolError for any other number."""
    answer = read(body, Embeddings, provider)
    if len(answer.embeddings) != expected:
        raise ProviderProtocolError(
            f"'{provider}' sent {len(answer.embeddings)} vectors for {expected} texts.", provider=provider
        )
    return answer


def join_embeddings(answers: list[Embeddings], model: str) -> EmbeddingResult:
    counted = [answer.usage_metadata.prompt_token_count for answer in answers if answer.usage_metadata]
    return EmbeddingResult(
        model=model,
        vectors=tuple(each.values for answer in answers for each in answer.embeddings),
        usage=Usage(input_tokens=sum(counted)) if len(counted) == len(answers) else None,
    )


def decode_count(body: bytes, provider: str) -> int:
    return read(body, Count, provider).total_tokens


def read(body: bytes, shape: type[T], provider: str) -> T:
    """Raises ProviderProtocolError."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ProviderProtocolError(f"'{provider}' does not answer as Gemini does.", provider=provider) from None


def _usage(told: UsageMetadata) -> Usage:
    """Some models count their thoughts among the candidates' tokens, most beside them; the total tells."""
    sent = told.prompt_token_count + told.tool_use_prompt_token_count
    written = told.candidates_token_count + told.thoughts_token_count
    return Usage(
        input_tokens=sent,
        output_tokens=told.total_token_count - sent if told.total_token_count > sent else written,
        cached_tokens=told.cached_content_token_count,
        reasoning_tokens=told.thoughts_token_count,
    )


def _add_logprobs(events: list[ChatEvent], choice: int, logprobs: tuple[TokenLogprob, ...]) -> None:
    """To the first text of the frame, or as an event of their own."""
    for at, event in enumerate(events):
        if isinstance(event, TextDelta):
            events[at] = msgspec.structs.replace(event, logprobs=logprobs)
            return
    events.append(TextDelta(text="", choice=choice, logprobs=logprobs))


def _logprobs(told: Logprobs) -> tuple[TokenLogprob, ...]:
    tops = told.top_candidates or []
    return tuple(
        TokenLogprob(
            token=chosen.token,
            logprob=chosen.log_probability,
            top=tuple(_token(each) for each in tops[at].candidates or ()) if at < len(tops) else (),
        )
        for at, chosen in enumerate(told.chosen_candidates or ())
    )


def _token(each: Token) -> TokenLogprob:
    return TokenLogprob(token=each.token, logprob=each.log_probability)
