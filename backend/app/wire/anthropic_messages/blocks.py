"""Content blocks, both ways: https://platform.claude.com/docs/en/api/messages (ContentBlockParam)"""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from app.domain.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.wire.anthropic_messages import FORMAT
from app.wire.fields import Fields, merge

_RESULT_PARTS = (TextPart, ImagePart, FilePart, UnknownPart)


def decode_content(fields: Fields, name: str = "content") -> tuple[Part, ...]:
    """A string or an array of blocks, so that a lone text is given back as it came. An empty one stays."""
    content = fields.rest.get(name)
    if type(content) is str:
        if not content:
            return ()
        del fields.rest[name]
        return (TextPart(text=content),)
    if type(content) is not list:
        raise fields.wrong(name, "a string or an array of blocks")
    parts = tuple(decode_block(block) for block in fields.items(name))
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        kept = {"type": "text", **parts[0].extensions.get(FORMAT, {})}
        return (TextPart(text=parts[0].text, extensions={FORMAT: kept}),)
    return parts


def decode_block(fields: Fields) -> Part:
    match fields.rest.get("type"):
        case "text":
            return TextPart(text=fields.required_text("text"), extensions=left(fields))
        case "image" | "document" as kind:
            return _decode_sourced(fields, kind)
        case "thinking" | "redacted_thinking" as kind:
            return decode_thinking(fields, kind)
        case "tool_use":
            return decode_call(fields)
        case "tool_result":
            return _decode_result(fields)
        case str():
            return UnknownPart(extensions=fields.extensions(FORMAT))
        case _:
            raise fields.wrong("type", "a string")


def left(fields: Fields) -> dict[str, dict[str, Any]]:
    """What is left of a block whose type the domain's own type tells."""
    del fields.rest["type"]
    return fields.extensions(FORMAT)


def decode_thinking(fields: Fields, kind: str) -> ReasoningPart:
    """Redacted thinking is a signature without a text. An empty signature is none: other vendors write it."""
    if kind == "redacted_thinking":
        return ReasoningPart(text="", signature=fields.required_text("data"), extensions=fields.extensions(FORMAT))
    text, signature = fields.required_text("thinking"), fields.text("signature")
    return ReasoningPart(text=text, signature=signature or None, extensions=left(fields))


def decode_call(fields: Fields) -> ToolCall:
    id, name, arguments = fields.required_text("id"), fields.required_text("name"), fields.object("input")
    if arguments is None:
        raise fields.wrong("input", "an object")
    text = msgspec.json.encode(arguments).decode()
    return ToolCall(id=id, name=name, arguments=text, extensions=left(fields))


def _decode_result(fields: Fields) -> ToolResult:
    call_id = fields.required_text("tool_use_id")
    parts = decode_content(fields) if fields.rest.get("content") is not None else ()
    content = tuple(part for part in parts if isinstance(part, _RESULT_PARTS))
    if len(content) != len(parts):
        raise fields.wrong("content", "the text, images or documents that a tool gives")
    is_error = fields.switch("is_error")
    return ToolResult(call_id=call_id, content=content, is_error=is_error, extensions=left(fields))


def _decode_sourced(fields: Fields, kind: str) -> ImagePart | FilePart | TextPart | UnknownPart:
    """An image or a document. A plain text as document is a text, which every model can read."""
    source = fields.child("source")
    if source is None:
        raise fields.wrong("source", "an object")
    match kind, source.rest.get("type"):
        case "document", "text":
            return TextPart(text=source.required_text("data"), extensions=fields.extensions(FORMAT))
        case _, "base64":
            data, media_type = source.required_text("data"), source.required_text("media_type")
            extensions, title = _left_of_source(fields, source, kind)
            if kind == "image":
                return ImagePart(data=data, media_type=media_type, extensions=extensions)
            return FilePart(data=data, media_type=media_type, filename=title, extensions=extensions)
        case "image", "url":
            url = source.required_text("url")
            return ImagePart(url=url, extensions=_left_of_source(fields, source, kind)[0])
        case "document", "file":
            file_id = source.required_text("file_id")
            extensions, title = _left_of_source(fields, source, kind)
            return FilePart(file_id=file_id, filename=title, extensions=extensions)
        case _, str():
            return UnknownPart(extensions=fields.extensions(FORMAT))
        case _:
            raise source.wrong("type", "a string")


def _left_of_source(fields: Fields, source: Fields, kind: str) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The block's extensions, and a document's title."""
    del source.rest["type"]
    fields.prune("source")
    title = fields.text("title") if kind == "document" else None
    return left(fields), title


def encode_content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """Raises UnsupportedFeature for a part that this format has no place for."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], TextPart) and FORMAT not in parts[0].extensions:
        return parts[0].text
    return [encode_block(part) for part in parts]


def encode_block(part: Part) -> dict[str, Any]:
    """Raises UnsupportedFeature; InvalidRequest for a tool call whose arguments are no JSON object."""
    kept = part.extensions.get(FORMAT, {})
    match part:
        case TextPart() if kept.get("type") == "document":
            return merge({"source": {**kept["source"], "data": part.text}}, kept)
        case TextPart() | RefusalPart():
            return merge({"type": "text", "text": part.text}, kept)
        case ImagePart() | FilePart() | UnknownPart() | AudioPart():
            return _encode_media(part, kept)
        case ReasoningPart():
            return encode_thinking(part)
        case ToolCall():
            return encode_call(part)
        case ToolResult():
            return _encode_result(part)
        case _:
            assert_never(part)


def _encode_media(part: ImagePart | FilePart | UnknownPart | AudioPart, kept: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return merge({"type": "image", "source": _encode_image(part)}, kept)
    if isinstance(part, FilePart):
        return merge(_encode_document(part), kept)
    if isinstance(part, AudioPart) or not kept:
        raise UnsupportedFeature("The model's provider takes no content part of this kind.", param="messages")
    return kept


def _encode_image(image: ImagePart) -> dict[str, Any]:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type or "image/png", "data": image.data or ""}


def _encode_document(file: FilePart) -> dict[str, Any]:
    source: dict[str, Any] = {"type": "file", "file_id": file.file_id}
    if file.file_id is None:
        media_type = file.media_type or "application/pdf"
        source = {"type": "base64", "media_type": media_type, "data": file.data or ""}
    document = {"type": "document", "source": source, "title": file.filename}
    return {name: value for name, value in document.items() if value is not None}


def encode_thinking(part: ReasoningPart) -> dict[str, Any]:
    kept = part.extensions.get(FORMAT, {})
    if kept.get("type") == "redacted_thinking":
        return merge({"data": part.signature or ""}, kept)
    return merge({"type": "thinking", "thinking": part.text, "signature": part.signature or ""}, kept)


def encode_call(call: ToolCall) -> dict[str, Any]:
    """Raises InvalidRequest when the arguments are no JSON object, which is all that this format can hold."""
    known = {"type": "tool_use", "id": call.id, "name": call.name, "input": read_arguments(call.arguments)}
    return merge(known, call.extensions.get(FORMAT))


def read_arguments(text: str) -> dict[str, Any]:
    """A call without arguments has none to write. Raises InvalidRequest."""
    try:
        value = msgspec.json.decode(text.encode("utf-8", "replace")) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError):
        value = None
    if type(value) is not dict:
        raise InvalidRequest("The arguments of a tool call must be a JSON object.", param="messages")
    return value


def _encode_result(result: ToolResult) -> dict[str, Any]:
    kept = result.extensions.get(FORMAT, {})
    known: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
    if result.content:
        known["content"] = encode_content(result.content)
    if result.is_error:
        known["is_error"] = True
    return merge(known, kept)
