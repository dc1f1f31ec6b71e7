"""A conversation in the domain's words as Ollama's `messages`.

Ollama's message is flat: one text, one list of images, one list of tool calls, and a tool's result is a message
of its own. Parts of one message are therefore sorted into those places; texts are joined by a line break.
https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from collections.abc import Iterable
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
from app.wire import call_ids

Json = dict[str, object]


class _Flat(msgspec.Struct):
    """The parts of one message, sorted."""

    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[ToolCall] = []
    results: list[ToolResult] = []


def encode(messages: Iterable[Message]) -> list[Json]:
    """Raises UnsupportedFeature for parts that Ollama has no place for, InvalidRequest for broken tool calls."""
    encoded: list[Json] = []
    names: dict[str, str] = {}
    for message in messages:
        flat = _flatten(message.content)
        names.update((call.id, call.name) for call in flat.calls)
        encoded.extend(_tool_message(result, names) for result in flat.results)
        if not flat.results or flat.texts or flat.images:
            encoded.append(_message(message.role, flat))
    return encoded


def _message(role: str, flat: _Flat) -> Json:
    encoded: Json = {"role": "system" if role == "developer" else role, "content": "\n".join(flat.texts)}
    if flat.thoughts:
        encoded["thinking"] = "\n".join(flat.thoughts)
    if flat.images:
        encoded["images"] = flat.images
    if flat.calls:
        encoded["tool_calls"] = [_tool_call(index, call) for index, call in enumerate(flat.calls)]
    return encoded


def _tool_call(index: int, call: ToolCall) -> Json:
    """Ollama takes the arguments as an object, not as JSON text."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, object])
    except msgspec.MsgspecError:
        raise InvalidRequest(
            f"The arguments of the tool call '{call.name}' are not a JSON object.", param="messages"
        ) from None
    return {"id": call_ids.bare(call.id), "function": {"index": index, "name": call.name, "arguments": arguments}}


def _tool_message(result: ToolResult, names: dict[str, str]) -> Json:
    """`names`: the tool of each call so far; templates know a result by the tool's name, not by the call's id."""
    flat = _flatten(result.content)
    id = call_ids.bare(result.call_id)
    encoded: Json = {"role": "tool", "content": "\n".join(flat.texts), "tool_call_id": id}
    if result.call_id in names:
        encoded["tool_name"] = names[result.call_id]
    if flat.images:
        encoded["images"] = flat.images
    return encoded


def _flatten(parts: Iterable[Part]) -> _Flat:
    flat = _Flat()
    for part in parts:
        _sort(part, flat)
    return flat


def _sort(part: Part, flat: _Flat) -> None:
    match part:
        case TextPart() | RefusalPart():
            flat.texts.append(part.text)
        case ReasoningPart():
            flat.thoughts.append(part.text)
        case ToolCall():
            flat.calls.append(part)
        case ToolResult():
            flat.results.append(part)
        case ImagePart():
            flat.images.append(_image(part))
        case AudioPart():
            # Ollama tells sound from pictures by the first bytes (AudioFormat in llm/).
            flat.images.append(part.data)
        case FilePart() | UnknownPart():
            raise UnsupportedFeature("Ollama takes text, images and sound, no other parts.", param="messages")
        case _:
            assert_never(part)


def _image(part: ImagePart) -> str:
    """Base64 text. An address is never fetched on a caller's word: that would reach into our own network."""
    if part.data is not None:
        return part.data
    head, _, data = (part.url or "").partition(",")
    if head.startswith("data:") and head.endswith(";base64"):
        return data
    raise UnsupportedFeature(
        "Ollama takes images as base64 data, not by address: send a data: URL with the image itself.",
        param="messages",
    )
