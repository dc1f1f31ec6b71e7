"""Messages: the turns of a request, and the assistant's turn in an answer."""

from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

import msgspec

from app.domain.chat import (
    AudioPart,
    FilePart,
    ImagePart,
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
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.parts import decode_content, encode_content

_ROLES = frozenset(get_args(Role))
_RESULT_PARTS = (TextPart, ImagePart, AudioPart, FilePart, UnknownPart)
REASONING_FIELDS = ("reasoning_content", "reasoning")


def decode_message(fields: Fields) -> Message:
    role = fields.required_text("role")
    name = fields.text("name")
    parts: tuple[Part, ...]
    if role == "assistant":
        parts = tuple(decode_answer(fields, decode_content(fields), fields.path))
    elif role == "tool":
        parts = (ToolResult(call_id=fields.required_text("tool_call_id"), content=_result_content(fields)),)
    elif role == "function":
        # The old way to answer a function_call: calls have no ids, the function's name joins the two.
        parts = (ToolResult(call_id=name or "", content=_result_content(fields)),)
        fields.rest["role"], role = role, "tool"
    elif role in _ROLES:
        parts = decode_content(fields)
    else:
        raise fields.wrong("role", "one of " + ", ".join(sorted(_ROLES)))
    return Message(role=cast("Role", role), content=parts, name=name, extensions=fields.extensions(FORMAT))


def _result_content(fields: Fields) -> tuple[Any, ...]:
    parts = decode_content(fields)
    if not all(isinstance(part, _RESULT_PARTS) for part in parts):
        raise fields.wrong("content", "the text, images, sound or files that a tool gives")
    return parts


def decode_answer(fields: Fields, content: Sequence[Part], call_prefix: str) -> Iterator[Part]:
    """What an assistant thought, said (`content`), refused and called.

    `call_prefix` begins the id of a call that has none.
    """
    if reasoning := take_reasoning(fields):
        yield ReasoningPart(text=reasoning[0], extensions=reasoning[1])
    yield from content
    if fields.rest.get("refusal") and (refusal := fields.text("refusal")):
        yield RefusalPart(text=refusal)
    for index, call in enumerate(fields.items("tool_calls")):
        yield _decode_call(call, f"{call_prefix}-{index}")
    if function := fields.child("function_call"):
        name, arguments = function.required_text("name"), take_arguments(function)
        fields.prune("function_call")
        yield legacy_call(name, arguments)


def take_reasoning(fields: Fields) -> tuple[str, dict[str, dict[str, Any]]] | None:
    """The thinking, and in which of its fields it came when that is not the usual one."""
    rest = fields.rest
    names = [name for name in REASONING_FIELDS if rest.get(name) and type(rest[name]) is str]
    if not names:
        return None
    text = cast(str, rest[names[0]])
    for name in names:
        del rest[name]
    if names == ["reasoning_content"]:
        return text, {}
    return text, {FORMAT: dict.fromkeys(names, True)}


def take_arguments(function: Fields) -> str:
    """JSON text; some servers give the object itself."""
    value = function.rest.get("arguments")
    if type(value) is dict:
        del function.rest["arguments"]
        return msgspec.json.encode(value).decode()
    return function.text("arguments") or ""


def _decode_call(call: Fields, missing_id: str) -> ToolCall | UnknownPart:
    function = call.child("function")
    if function is None:
        if type(call.rest.get("custom")) is not dict:
            raise call.wrong("function", "an object with a name")
        return UnknownPart(extensions=call.extensions(FORMAT))
    name, arguments = function.required_text("name"), take_arguments(function)
    call.prune("function")
    if call.rest.get("type") == "function":
        del call.rest["type"]
    id = (call.text("id") if call.rest.get("id") else None) or missing_id
    return ToolCall(id=id, name=name, arguments=arguments, extensions=call.extensions(FORMAT))


def legacy_call(name: str, arguments: str) -> ToolCall:
    """A call by the old `function_call` field, which has no id."""
    return ToolCall(id=name, name=name, arguments=arguments, extensions={FORMAT: {"function_call": True}})


def is_legacy(call: ToolCall) -> bool:
    return "function_call" in call.extensions.get(FORMAT, {})


def encode_message(message: Message) -> Iterator[dict[str, Any]]:
    """One message, or several: here a tool's result is a message of its own."""
    kept = message.extensions.get(FORMAT)
    content: Sequence[Part] = message.content
    results = [part for part in content if type(part) is ToolResult]
    for result in results:
        known = {"role": "tool", "tool_call_id": result.call_id, "content": encode_content(result.content)}
        if kept and kept.get("role") == "function":
            known = {"role": "function", "content": known["content"]}
        yield _finish(message, known, kept if message.role == "tool" else None)
    others = content if not results else [part for part in content if type(part) is not ToolResult]
    if others or not results:
        spoken = encode_answer(others) if message.role == "assistant" else {"content": encode_content(others)}
        if spoken.get("content") == "" and kept is not None:
            del spoken["content"]
        yield _finish(message, {"role": message.role, **spoken}, kept)


def _finish(message: Message, known: dict[str, Any], kept: dict[str, Any] | None) -> dict[str, Any]:
    if message.name is not None:
        known["name"] = message.name
    return merge(known, kept)


def encode_answer(parts: Sequence[Part]) -> dict[str, Any]:
    """The fields of an assistant's message, `role` apart; `content` is left out where there are only calls."""
    known: dict[str, Any] = {}
    content = [part for part in parts if not _place(part, known)]
    if content or known.keys().isdisjoint(("tool_calls", "function_call", "refusal")):
        known["content"] = encode_content(content)
    return known


def _place(part: Part, known: dict[str, Any]) -> bool:
    """Puts `part` into the field that is made for it; false where that is `content`."""
    kept = part.extensions.get(FORMAT, {})
    match part:
        case ReasoningPart():
            for name in kept or REASONING_FIELDS[:1]:
                known[name] = known.get(name, "") + part.text
        case RefusalPart() if "type" not in kept:
            known["refusal"] = known.get("refusal", "") + part.text
        case ToolCall() if is_legacy(part):
            known["function_call"] = {"name": part.name, "arguments": part.arguments}
        case ToolCall():
            known.setdefault("tool_calls", []).append(encode_call(part))
        case UnknownPart() if "custom" in kept:
            known.setdefault("tool_calls", []).append(kept)
        case _:
            return False
    return True


def encode_call(call: ToolCall) -> dict[str, Any]:
    kept = call.extensions.get(FORMAT, {})
    function = {"name": call.name, "arguments": call.arguments}
    return merge({"id": call.id, "type": kept.get("type", "function"), "function": function}, kept)
