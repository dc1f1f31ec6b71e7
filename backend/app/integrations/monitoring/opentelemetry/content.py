"""What was asked and answered, in the form that the conventions have for it. Only where an operator wants it.

https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-input-messages.json
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from app.domain.chat import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolResult,
)
from app.domain.tracing import Told

Json = dict[str, Any]
CUT = "…"


def content(asked: object, told: Told, most: int) -> dict[str, str]:
    """The attributes, as JSON; the texts in each are cut after `most` characters together."""
    room = _Room(most)
    found = {}
    if isinstance(asked, ChatRequest):
        found["gen_ai.input.messages"] = _json([_message(message, room) for message in asked.messages])
    elif isinstance(asked, CompletionRequest):
        prompts = [prompt for prompt in asked.prompts if isinstance(prompt, str)]
        found["gen_ai.input.messages"] = _json(
            [{"role": "user", "parts": [_text(room.of(prompt))]} for prompt in prompts]
        )
    if told.text:
        said: Json = {"role": "assistant", "parts": [_text(_Room(most).of(told.text))]}
        if told.reasons:
            said["finish_reason"] = told.reasons[0]
        found["gen_ai.output.messages"] = _json([said])
    return found


class _Room:
    """How much text may still be told. What is over is cut, and what follows is empty."""

    def __init__(self, left: int) -> None:
        self._left = left

    def of(self, text: str) -> str:
        if len(text) <= self._left:
            self._left -= len(text)
            return text
        kept, self._left = text[: self._left], 0
        return kept + CUT


def _message(message: Message, room: _Room) -> Json:
    return {"role": message.role, "parts": [_part(part, room) for part in message.content]}


def _part(part: Part, room: _Room) -> Json:
    tell = _PARTS.get(type(part))
    return {"type": "other"} if tell is None else tell(part, room)


def _image(part: ImagePart, room: _Room) -> Json:
    if part.url is None:
        return {"type": "blob", "modality": "image", "content": ""}
    return {"type": "uri", "modality": "image", "uri": room.of(part.url)}


def _call(part: ToolCall, room: _Room) -> Json:
    return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": room.of(part.arguments)}


def _result(part: ToolResult, room: _Room) -> Json:
    return {"type": "tool_call_response", "id": part.call_id, "response": room.of(_texts(part.content))}


def _texts(parts: Iterable[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _text(text: str) -> Json:
    return {"type": "text", "content": text}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_PARTS: dict[type[Any], Callable[[Any, _Room], Json]] = {
    TextPart: lambda part, room: _text(room.of(part.text)),
    ReasoningPart: lambda part, room: {"type": "reasoning", "content": room.of(part.text)},
    ToolCall: _call,
    ToolResult: _result,
    ImagePart: _image,
    AudioPart: lambda part, room: {"type": "blob", "modality": "audio", "content": ""},
    FilePart: lambda part, room: {"type": "file", "modality": "document", "file_id": part.file_id or ""},
}
"""Of pictures, sounds and files it is told that they were there, and a picture's address."""
