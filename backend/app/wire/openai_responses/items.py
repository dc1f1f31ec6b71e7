"""Items of a conversation, given to a model: messages, calls, their outputs, reasoning.

An assistant's items that follow one another are one message of the domain. What an item alone knows (its id, its
status) is kept with its first part, so that the items come apart again where they were joined.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, get_args

from app.domain.chat import (
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.wire.fields import Fields, merge
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.parts import decode_content, encode_content

_ROLES = frozenset(get_args(Role)) - {"tool"}
_SPOKEN = (TextPart, RefusalPart)
# Of our own making: how an item came, and the fields of the item that a part is the first of.
PLAIN, ITEM = "plain", "item"


def decode_items(items: Iterable[Fields]) -> tuple[Message, ...]:
    messages: list[Message] = []
    turn: list[Part] = []
    for fields in items:
        said = _decode_item(fields)
        if isinstance(said, Message):
            _end_turn(turn, messages)
            messages.append(said)
        else:
            turn.extend(said)
    _end_turn(turn, messages)
    return tuple(messages)


def _end_turn(turn: list[Part], messages: list[Message]) -> None:
    if turn:
        messages.append(Message(role="assistant", content=tuple(turn)))
        turn.clear()


def _decode_item(fields: Fields) -> Message | list[Part]:
    """What an assistant said or did comes as parts."""
    match fields.rest.get("type", "message" if "role" in fields.rest else None):
        case "message":
            return _decode_message(fields)
        case "function_call_output":
            return _decode_output(fields)
        case str():
            return [decode_part(fields)]
        case _:
            raise fields.wrong("type", "a string")


def _decode_message(fields: Fields) -> Message | list[Part]:
    role, plain = fields.required_text("role"), type(fields.rest.get("content")) is str
    if role not in _ROLES:
        raise fields.wrong("role", "one of " + ", ".join(sorted(_ROLES)))
    if role == "assistant":
        return message_parts(fields)
    kept = {PLAIN: True} if plain else {}
    content = decode_content(fields)
    kept |= fields.rest
    return Message(role=cast("Role", role), content=content, extensions={FORMAT: kept} if kept else {})


def message_parts(fields: Fields) -> list[Part]:
    """The content of an assistant's message item, whose other fields stay with the first part."""
    plain = type(fields.rest.get("content")) is str
    first, *others = decode_content(fields) or (TextPart(text=""),)
    kept = {**first.extensions.get(FORMAT, {}), ITEM: fields.rest}
    if plain:
        kept[PLAIN] = True
    return [_with(first, kept), *others]


def _with(part: Part, kept: dict[str, Any]) -> Part:
    match part:
        case RefusalPart():
            return RefusalPart(text=part.text, extensions={FORMAT: kept})
        case TextPart():
            return TextPart(text=part.text, extensions={FORMAT: kept})
        case _:
            return part


def decode_part(fields: Fields) -> Part:
    """An assistant's item other than a message."""
    match fields.rest.get("type"):
        case "function_call":
            id, name = fields.required_text("call_id"), fields.required_text("name")
            arguments = fields.text("arguments") or ""
            del fields.rest["type"]
            return ToolCall(id=id, name=name, arguments=arguments, extensions=fields.extensions(FORMAT))
        case "reasoning":
            return _decode_reasoning(fields)
        case _:
            return UnknownPart(extensions=fields.extensions(FORMAT))


def _decode_reasoning(fields: Fields) -> ReasoningPart:
    """The thinking itself, where it is told; else its summary."""
    summary = [part.required_text("text") for part in fields.items("summary")]
    text = "".join(part.required_text("text") for part in fields.items("content"))
    signature = fields.text("encrypted_content")
    for name in ("type", "summary", "content"):
        fields.rest.pop(name, None)
    if summary:
        fields.rest["summary"] = summary
    return ReasoningPart(
        text=text or "\n\n".join(summary), signature=signature, extensions=fields.extensions(FORMAT)
    )


def _decode_output(fields: Fields) -> Message:
    plain = type(fields.rest.get("output")) is str
    del fields.rest["type"]
    call_id, content = fields.required_text("call_id"), decode_content(fields, "output")
    if any(isinstance(part, RefusalPart) for part in content):
        raise fields.wrong("output", "the text, images or files that a tool gives")
    kept = {} if plain else {PLAIN: False}
    kept |= fields.rest
    result = ToolResult(
        call_id=call_id, content=cast("tuple[Any, ...]", content), extensions={FORMAT: kept} if kept else {}
    )
    return Message(role="tool", content=(result,))


def encode_message(message: Message) -> Iterator[dict[str, Any]]:
    """One item or several. Raises UnsupportedFeature for content that has no place here."""
    if message.role == "assistant":
        for group in grouped(message.content):
            yield _encode_group(group)
        return
    results = [part for part in message.content if isinstance(part, ToolResult)]
    for result in results:
        yield _encode_output(result)
    others = [part for part in message.content if not isinstance(part, ToolResult)]
    if others or not results:
        kept = dict(message.extensions.get(FORMAT, {}))
        content = _plain(others, kept, "input_text")
        yield merge({"role": message.role, "content": content}, kept)


def _plain(parts: Sequence[Part], kept: dict[str, Any], text_type: str) -> str | list[dict[str, Any]]:
    if kept.pop(PLAIN, False) and all(isinstance(part, TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return encode_content(parts, text_type)


def _encode_output(result: ToolResult) -> dict[str, Any]:
    kept = dict(result.extensions.get(FORMAT, {}))
    kept.setdefault(PLAIN, True)
    output = _plain(result.content, kept, "input_text")
    return merge({"type": "function_call_output", "call_id": result.call_id, "output": output}, kept)


def grouped(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """What stands in one item each: neighbouring texts and refusals, or one other part."""
    group: list[Part] = []
    for part in parts:
        joins = isinstance(part, _SPOKEN) and ITEM not in part.extensions.get(FORMAT, {})
        if group and not (joins and isinstance(group[-1], _SPOKEN)):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _encode_group(group: Sequence[Part]) -> dict[str, Any]:
    part = group[0]
    kept = dict(part.extensions.get(FORMAT, {}))
    match part:
        case ReasoningPart():
            return encode_reasoning(part)
        case ToolCall():
            return encode_call(part)
        case UnknownPart() if kept:
            return kept
        case _:
            return encode_spoken(group, encode_content(group, "output_text"))


def encode_spoken(group: Sequence[Part], content: list[dict[str, Any]]) -> dict[str, Any]:
    """A message item; `content` is what the parts of `group` are."""
    item, plain = content[0].pop(ITEM, None), content[0].pop(PLAIN, False)
    said: str | list[dict[str, Any]] = content
    if plain:
        said = content[0]["text"]
    elif item is not None and len(group) == 1 and group[0] == TextPart(text="", extensions=group[0].extensions):
        said = []
    return merge({"role": "assistant", "content": said}, item)


def encode_call(call: ToolCall) -> dict[str, Any]:
    known = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    return merge(known, call.extensions.get(FORMAT))


def encode_reasoning(part: ReasoningPart) -> dict[str, Any]:
    kept = dict(part.extensions.get(FORMAT, {}))
    summary = kept.pop("summary", [])
    known: dict[str, Any] = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if part.text and part.text != "\n\n".join(summary):
        known["content"] = [{"type": "reasoning_text", "text": part.text}]
    if part.signature is not None:
        known["encrypted_content"] = part.signature
    return merge(known, kept)
