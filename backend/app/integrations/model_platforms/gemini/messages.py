"""A conversation in the domain's words as Gemini's `contents` and `systemInstruction`.

Gemini knows two sides, which take turns: `model`, and `user`, whose turn also brings what tools gave. So the
messages of one side that follow each other become one turn. https://ai.google.dev/api/caching#Content
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from typing import assert_never

import msgspec

from app.domain.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.gemini.names import is_at_least
from app.wire import call_ids

Json = dict[str, object]

# For calls in a history that another model wrote: https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ).
UNSIGNED = "skip_thought_signature_validator"
# To these a system instruction is an error.
_UNINSTRUCTED = "gemma-3"
_ARGUMENTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode(messages: Sequence[Message], model: str, missed: list[str]) -> Json:
    """The fields `contents` and `systemInstruction`. `missed` is told what has no place.

    The first system messages are the instruction, unless nothing follows them: there must be a turn. A later one
    stays where it is, as the user's: what stands first must not change from turn to turn, or nothing of the prompt
    is found in Gemini's cache.

    Raises UnsupportedFeature for parts that Gemini has no place for, InvalidRequest for broken tool calls.
    """
    instruction = list(takewhile(_is_instruction, messages))
    turns = messages[len(instruction) :]
    if not turns or model.startswith(_UNINSTRUCTED):
        instruction, turns = [], messages
    encoder = _Encoder(model, missed)
    encoded: Json = {"contents": encoder.contents(turns)}
    if instruction:
        encoded["systemInstruction"] = {"parts": encoder.parts(instruction)}
    if any(message.name is not None for message in messages):
        missed.append("messages.name")
    return encoded


def _is_instruction(message: Message) -> bool:
    return message.role in ("system", "developer")


class _Encoder:
    def __init__(self, model: str, missed: list[str]) -> None:
        self._missed = missed
        # Since Gemini 3 what a tool gives may hold pictures; before, they go beside it.
        self._results_hold_media = is_at_least(model, (3, 0))
        self._called: dict[str, str] = {}

    def contents(self, messages: Sequence[Message]) -> list[Json]:
        contents: list[Json] = []
        for from_model, turn in groupby(messages, lambda message: message.role == "assistant"):
            parts = self.parts(turn)
            if from_model:
                _sign_first(parts)
                contents += _content("model", parts)
            else:
                # What tools gave comes first and alone: a content that holds it is taken for the model's own.
                contents += _content("user", [part for part in parts if "functionResponse" in part])
                contents += _content("user", [part for part in parts if "functionResponse" not in part])
        return contents

    def parts(self, messages: Iterable[Message]) -> list[Json]:
        return [encoded for message in messages for part in message.content for encoded in self._part(part)]

    def _part(self, part: Part) -> Iterator[Json]:
        match part:
            case TextPart() | RefusalPart():
                if part.text:
                    yield {"text": part.text}
            case ReasoningPart():
                self._missed.append("messages.reasoning")
            case ImagePart() | AudioPart() | FilePart():
                yield self._media(part)
            case ToolCall():
                yield self._call(part)
            case ToolResult():
                yield from self._result(part)
            case UnknownPart():
                raise UnsupportedFeature(
                    "Gemini takes text, images, sound and files, no other parts.", param="messages"
                )
            case _:
                assert_never(part)

    def _media(self, part: ImagePart | AudioPart | FilePart) -> Json:
        if isinstance(part, AudioPart):
            return _inline(part.data, f"audio/{part.format}")
        if isinstance(part, ImagePart):
            if part.detail in ("low", "high"):
                self._missed.append("messages.image.detail")
            # Gemini fetches the address itself.
            return _inline(part.data, part.media_type or "image/png") if part.data else _at(part.url, None)
        media_type = part.media_type or "application/pdf"
        return _inline(part.data, media_type) if part.data else _at(part.file_id, part.media_type)

    def _call(self, call: ToolCall) -> Json:
        """The arguments go as they were written: a call that changed would not be found in Gemini's cache."""
        id, signature = call_ids.split(call.id)
        self._called[id] = call.name
        arguments = call.arguments if call.arguments.strip() else "{}"
        try:
            _ARGUMENTS.decode(arguments)
        except msgspec.MsgspecError:
            raise InvalidRequest(
                f"The arguments of the tool call '{call.name}' are not a JSON object.", param="messages"
            ) from None
        encoded: Json = {"functionCall": {"id": id, "name": call.name, "args": msgspec.Raw(arguments.encode())}}
        return encoded | {"thoughtSignature": signature} if signature else encoded

    def _result(self, result: ToolResult) -> Iterator[Json]:
        """A result names its tool, which the other dialects leave to the call."""
        id = call_ids.bare(result.call_id)
        if id not in self._called:
            raise InvalidRequest(
                f"The tool result for '{id[:64]}' answers no tool call of the conversation.", param="messages"
            )
        texts = [part.text for part in result.content if isinstance(part, TextPart)]
        others = [part for part in result.content if not isinstance(part, TextPart)]
        media = [encoded for part in others for encoded in self._part(part)]
        answer: Json = {
            "id": id,
            "name": self._called[id],
            "response": _response("\n".join(texts), result.is_error),
        }
        if media and self._results_hold_media:
            answer["parts"] = media
            media = []
        yield {"functionResponse": answer}
        yield from media


def _sign_first(parts: list[Json]) -> None:
    """Gemini wants the first call of a turn signed, and signs no other itself."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)


def _content(role: str, parts: list[Json]) -> list[Json]:
    return [{"role": role, "parts": parts}] if parts else []


def _response(text: str, is_error: bool) -> Json | msgspec.Raw:
    """An object, whose keys are the tool's own; what is none is put into one, as Gemini's documentation says."""
    if is_error:
        return {"error": text}
    try:
        _ARGUMENTS.decode(text)
    except msgspec.MsgspecError:
        return {"output": text}
    return msgspec.Raw(text.encode())


def _inline(data: str, media_type: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _at(address: str | None, media_type: str | None) -> Json:
    if not address:
        raise InvalidRequest("A part of a message has neither data nor an address.", param="messages")
    return {"fileData": {"fileUri": address} | ({"mimeType": media_type} if media_type else {})}
