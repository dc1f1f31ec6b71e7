"""Whole answers: https://platform.claude.com/docs/en/api/messages (Message)"""

from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from app.domain.chat import (
    AudioPart,
    ChatResult,
    Choice,
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
from app.domain.errors import InvalidRequest, ProviderProtocolError, UnsupportedFeature
from app.domain.usage import Usage
from app.wire.anthropic_messages import FORMAT
from app.wire.anthropic_messages.blocks import decode_call, decode_thinking, encode_call, encode_thinking
from app.wire.anthropic_messages.errors import raise_error_object
from app.wire.anthropic_messages.finish import decode_stop, encode_stop
from app.wire.anthropic_messages.ids import message_id
from app.wire.anthropic_messages.usage import decode_usage, encode_usage
from app.wire.fields import AnswerFields, Fields, merge
from app.wire.json_text import parse_answer

Block = dict[str, Any]


def decode(body: bytes, provider: str | None = None, *, created: int = 0) -> ChatResult:
    """`created`: the time of the answer, which this format does not tell.

    Raises ProviderProtocolError, or the error that `body` holds instead of an answer.
    """
    value = parse_answer(body, provider)
    raise_error_object(value, provider)
    fields = AnswerFields(value)
    if type(fields.rest.get("content")) is not list:
        raise fields.wrong("content", "an array")
    id, model = take_identity(fields)
    kept: list[Block] = []
    parts = tuple(_joined(_parts(fields, kept)))
    word, stop_sequence = fields.text("stop_reason"), fields.text("stop_sequence")
    reason, choice_kept = decode_stop(word, stop_sequence) if word else (None, {})
    usage = fields.child("usage")
    if usage is not None:
        del fields.rest["usage"]
    choice = Choice(
        index=0,
        message=Message(role="assistant", content=parts, extensions={FORMAT: {"content": kept}} if kept else {}),
        finish_reason=reason,
        stop_sequence=stop_sequence,
        extensions={FORMAT: choice_kept} if choice_kept else {},
    )
    return ChatResult(
        id=id,
        model=model,
        created=created,
        choices=(choice,),
        usage=None if usage is None else decode_usage(usage),
        extensions=fields.extensions(FORMAT),
    )


def take_identity(fields: Fields) -> tuple[str, str]:
    """Id and model."""
    fields.rest.pop("type", None)
    fields.rest.pop("role", None)
    return fields.text("id") or "", fields.text("model") or ""


def _parts(fields: AnswerFields, kept: list[Block]) -> Iterator[Part]:
    """The known blocks; what else there is goes to `kept`."""
    for index, block in enumerate(fields.items("content")):
        kind = block.rest.get("type")
        if kind == "text":
            text = block.required_text("text")
            if further := rest_of_text(block):
                kept.append({"index": index, **further})
            if text:
                yield TextPart(text=text)
        elif kind in ("thinking", "redacted_thinking"):
            yield decode_thinking(block, kind)
        elif kind == "tool_use":
            yield decode_call(block)
        elif type(kind) is str:
            kept.append({"index": index, **block.left()})
        else:
            raise block.wrong("type", "a string")
    fields.rest.pop("content", None)


def rest_of_text(block: Fields) -> Block:
    """What a text block has beside its text, such as citations."""
    return {name: value for name, value in block.rest.items() if name != "type" and value not in (None, [])}


def _joined(parts: Iterator[Part]) -> Iterator[Part]:
    """Neighbouring texts as one, which is what a stream gives."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, TextPart):
            texts.append(part.text)
            continue
        if texts:
            yield TextPart(text="".join(texts))
            texts = []
        yield part
    if texts:
        yield TextPart(text="".join(texts))


def encode(result: ChatResult) -> bytes:
    """The first choice. Raises UnsupportedFeature for a part of an answer that this format has no place for, and
    ProviderProtocolError for a tool call whose arguments are no JSON object.
    """
    choice = result.choices[0] if result.choices else Choice(index=0, message=Message(role="assistant"))
    parts = choice.message.content
    blocks = [_encode_part(part) for part in parts]
    _insert(blocks, choice.message.extensions.get(FORMAT, {}).get("content", []))
    known: Block = {
        "id": message_id(result.id),
        "type": "message",
        "role": "assistant",
        "model": result.model,
        "content": blocks,
        "stop_reason": encode_stop(
            choice.finish_reason,
            choice.stop_sequence,
            choice.extensions.get(FORMAT, {}),
            called=any(isinstance(part, ToolCall) for part in parts),
            refused=any(isinstance(part, RefusalPart) for part in parts),
        ),
        "stop_sequence": choice.stop_sequence,
        "usage": encode_usage(result.usage or Usage()),
    }
    return msgspec.json.encode(merge(known, result.extensions.get(FORMAT)))


def _encode_part(part: Part) -> Block:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "text": part.text}
        case ReasoningPart():
            return encode_thinking(part)
        case ToolCall():
            try:
                return encode_call(part)
            except InvalidRequest:
                raise ProviderProtocolError(
                    f"The model called '{part.name[:64]}' with arguments that are no JSON object."
                ) from None
        case ImagePart() | AudioPart() | FilePart() | ToolResult() | UnknownPart():
            raise UnsupportedFeature("The answer holds a part that this API has no place for.")
        case _:
            assert_never(part)


def _insert(blocks: list[Block], kept: list[Block]) -> None:
    """Puts the blocks of unknown kinds back, and the further fields of texts."""
    for entry in kept:
        index, block = entry["index"], {name: value for name, value in entry.items() if name != "index"}
        if "type" in block:
            blocks.insert(index, block)
        elif index < len(blocks) and blocks[index]["type"] == "text":
            merge(blocks[index], block)
