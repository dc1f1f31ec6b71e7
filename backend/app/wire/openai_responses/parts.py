"""Content parts of messages and of a tool's output: text, images, sound, files."""

import re
from collections.abc import Sequence
from typing import Any, assert_never

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
from app.domain.errors import UnsupportedFeature
from app.wire.fields import Fields, merge
from app.wire.openai_responses import FORMAT

ContentPart = TextPart | ImagePart | AudioPart | FilePart | RefusalPart | UnknownPart

_DATA_URL = re.compile(r"data:([^;,]+);base64,")


def decode_content(fields: Fields, name: str = "content") -> tuple[ContentPart, ...]:
    """The field `name`: a string or an array of parts."""
    content = fields.rest.get(name)
    if type(content) is str:
        del fields.rest[name]
        return (TextPart(text=content),) if content else ()
    if type(content) is not list:
        raise fields.wrong(name, "a string or an array of parts")
    return tuple(_decode_part(part) for part in fields.items(name))


def _decode_part(fields: Fields) -> ContentPart:
    kind = fields.rest.get("type")
    match kind:
        case "input_text" | "output_text" | "text":
            # The type tells whose text it is, and that stands in the role as well.
            return TextPart(text=fields.required_text("text"), extensions=_left(fields))
        case "refusal":
            return RefusalPart(text=fields.required_text("refusal"), extensions=_left(fields))
        case "input_image":
            return _decode_image(fields)
        case "input_file":
            return _decode_file(fields)
        case "input_audio" if inner := fields.child("input_audio"):
            data, format = inner.required_text("data"), inner.required_text("format")
            fields.prune("input_audio")
            return AudioPart(data=data, format=format, extensions=_left(fields))
        case str():
            return UnknownPart(extensions=fields.extensions(FORMAT))
        case _:
            raise fields.wrong("type", "a string")


def _left(fields: Fields) -> dict[str, dict[str, Any]]:
    del fields.rest["type"]
    for name in ("annotations", "logprobs"):
        if fields.rest.get(name) == []:
            del fields.rest[name]
    return fields.extensions(FORMAT)


def _decode_image(fields: Fields) -> ContentPart:
    if fields.rest.get("file_id") is not None:
        return UnknownPart(extensions=fields.extensions(FORMAT))
    url, detail = fields.required_text("image_url"), fields.text("detail")
    extensions = _left(fields)
    if match := _DATA_URL.match(url):
        return ImagePart(data=url[match.end() :], media_type=match[1], detail=detail, extensions=extensions)
    return ImagePart(url=url, detail=detail, extensions=extensions)


def _decode_file(fields: Fields) -> ContentPart:
    """A file by address has no place in the domain."""
    if fields.rest.get("file_url") is not None:
        return UnknownPart(extensions=fields.extensions(FORMAT))
    data, media_type = fields.text("file_data"), None
    if data and (match := _DATA_URL.match(data)):
        data, media_type = data[match.end() :], match[1]
    file_id, filename = fields.text("file_id"), fields.text("filename")
    return FilePart(data=data, file_id=file_id, filename=filename, media_type=media_type, extensions=_left(fields))


def encode_content(parts: Sequence[Part], text_type: str) -> list[dict[str, Any]]:
    """`text_type`: input_text or output_text. Raises UnsupportedFeature for what has no place in a message."""
    return [_encode_part(part, text_type) for part in parts]


def _encode_part(part: Part, text_type: str) -> dict[str, Any]:
    kept = part.extensions.get(FORMAT)
    match part:
        case TextPart():
            return merge({"type": text_type, "text": part.text}, kept)
        case RefusalPart():
            return merge({"type": "refusal", "refusal": part.text}, kept)
        case ImagePart():
            url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data or ''}"
            detail = {} if part.detail is None else {"detail": part.detail}
            return merge({"type": "input_image", "image_url": url, **detail}, kept)
        case FilePart():
            return merge(_encode_file(part), kept)
        case AudioPart():
            return merge({"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}, kept)
        case UnknownPart() if kept:
            return kept
        case UnknownPart() | ReasoningPart() | ToolCall() | ToolResult():
            raise UnsupportedFeature("The model's provider takes no content of this kind.", param="input")
        case _:
            assert_never(part)


def _encode_file(part: FilePart) -> dict[str, Any]:
    data = part.data
    if data is not None and part.media_type is not None:
        data = f"data:{part.media_type};base64,{data}"
    known = {"file_data": data, "file_id": part.file_id, "filename": part.filename}
    return {"type": "input_file", **{name: value for name, value in known.items() if value is not None}}
