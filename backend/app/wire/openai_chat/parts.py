"""Content parts of a message: text, images, sound, files."""

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
from app.wire.openai_chat import FORMAT

ContentPart = TextPart | ImagePart | AudioPart | FilePart | RefusalPart | UnknownPart

_DATA_URL = re.compile(r"data:([^;,]+);base64,")


def decode_content(fields: Fields) -> tuple[ContentPart, ...]:
    """The `content` of a request's message, so that a lone text is given back as it came: a string or a part."""
    came_as_text = type(fields.rest.get("content")) is str
    parts = read_content(fields)
    if len(parts) == 1 and isinstance(parts[0], TextPart) and not came_as_text:
        kept = {"type": "text", **parts[0].extensions.get(FORMAT, {})}
        return (TextPart(text=parts[0].text, extensions={FORMAT: kept}),)
    return parts


def read_content(fields: Fields) -> tuple[ContentPart, ...]:
    """The `content` of a message: a string or an array of parts. An empty one is left in place."""
    content = fields.rest.get("content")
    if type(content) is str:
        if content:
            del fields.rest["content"]
            return (TextPart(text=content),)
        return ()
    if content is not None and type(content) is not list:
        raise fields.wrong("content", "a string or an array of parts")
    return tuple(_decode_part(part) for part in fields.items("content"))


def _decode_part(fields: Fields) -> ContentPart:
    kind = fields.rest.get("type")
    match kind:
        case "text":
            text = fields.required_text("text")
            return TextPart(text=text, extensions=_left(fields))
        case "image_url":
            return _decode_image(fields)
        case "input_audio" if inner := fields.child("input_audio"):
            data, format = inner.required_text("data"), inner.required_text("format")
            fields.prune("input_audio")
            return AudioPart(data=data, format=format, extensions=_left(fields))
        case "file" if inner := fields.child("file"):
            return _decode_file(fields, inner)
        case "refusal":
            # The type stays: without it a refusal belongs in the message's own field.
            return RefusalPart(text=fields.required_text("refusal"), extensions=fields.extensions(FORMAT))
        case str():
            return UnknownPart(extensions=fields.extensions(FORMAT))
        case _:
            raise fields.wrong("type", "a string")


def _left(fields: Fields) -> dict[str, dict[str, Any]]:
    del fields.rest["type"]
    return fields.extensions(FORMAT)


def _decode_image(fields: Fields) -> ImagePart:
    if type(fields.rest.get("image_url")) is str:
        url, detail = fields.required_text("image_url"), None
    elif inner := fields.child("image_url"):
        url, detail = inner.required_text("url"), inner.text("detail")
        fields.prune("image_url")
    else:
        raise fields.wrong("image_url", "an object with a url")
    extensions = _left(fields)
    if match := _DATA_URL.match(url):
        return ImagePart(data=url[match.end() :], media_type=match[1], detail=detail, extensions=extensions)
    return ImagePart(url=url, detail=detail, extensions=extensions)


def _decode_file(fields: Fields, inner: Fields) -> FilePart:
    data, media_type = inner.text("file_data"), None
    file_id, filename = inner.text("file_id"), inner.text("filename")
    fields.prune("file")
    if data and (match := _DATA_URL.match(data)):
        data, media_type = data[match.end() :], match[1]
    return FilePart(data=data, file_id=file_id, filename=filename, media_type=media_type, extensions=_left(fields))


def encode_content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """Raises UnsupportedFeature for a part that this format has no place for."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], TextPart) and FORMAT not in parts[0].extensions:
        return parts[0].text
    return [_encode_part(part) for part in parts]


def _encode_part(part: Part) -> dict[str, Any]:
    kept = part.extensions.get(FORMAT)
    match part:
        case TextPart():
            return merge({"type": "text", "text": part.text}, kept)
        case ImagePart():
            url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data or ''}"
            image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
            return merge({"type": "image_url", "image_url": image}, kept)
        case AudioPart():
            sound = {"data": part.data, "format": part.format}
            return merge({"type": "input_audio", "input_audio": sound}, kept)
        case FilePart():
            return merge({"type": "file", "file": _encode_file(part)}, kept)
        case RefusalPart():
            return merge({"type": "refusal", "refusal": part.text}, kept)
        case UnknownPart() if kept is not None:
            return kept
        case UnknownPart() | ReasoningPart() | ToolCall() | ToolResult():
            raise UnsupportedFeature("The model's provider takes no content part of this kind.", param="messages")
        case _:
            assert_never(part)


def _encode_file(part: FilePart) -> dict[str, Any]:
    data = f"data:{part.media_type};base64,{part.data}" if part.data and part.media_type else part.data
    file = {"file_data": data, "file_id": part.file_id, "filename": part.filename}
    return {name: value for name, value in file.items() if value is not None}
