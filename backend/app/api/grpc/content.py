"""Messages and their parts, both ways."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, cast

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
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
)
from app.domain.errors import InvalidRequest, ProviderProtocolError, UnsupportedFeature

_ROLES: dict[int, Role] = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_DEVELOPER: "developer",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}
_ResultPart = TextPart | ImagePart | AudioPart | FilePart


def refuse(field: str, fault: str) -> NoReturn:
    raise InvalidRequest(f"'{field}' {fault}.", param=field, code="invalid_value")


def decode_message(message: pb.Message, at: str) -> Message:
    """`at`: where it stands, for errors. Raises InvalidRequest."""
    if message.role not in _ROLES:
        refuse(f"{at}.role", "must be one of ROLE_SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL")
    role = _ROLES[message.role]
    parts = _decode_parts(message.content, message.parts, at)
    if role == "tool" and not (parts and all(isinstance(part, ToolResult) for part in parts)):
        refuse(f"{at}.parts", "of the role ROLE_TOOL must hold tool results")
    return Message(role=role, content=parts, name=message.name or None)


def _decode_parts(content: str, parts: Sequence[pb.Part], at: str) -> tuple[Part, ...]:
    if content and parts:
        refuse(f"{at}.content", "can't stand beside 'parts'")
    if content:
        return (TextPart(text=content),)
    return tuple(_decode_part(part, f"{at}.parts[{index}]") for index, part in enumerate(parts))


def _decode_part(part: pb.Part, at: str) -> Part:
    kind = part.WhichOneof("kind")
    if kind is None:
        refuse(at, "is of no kind that is known here")
    return _DECODERS[kind](getattr(part, kind), at)


def _decode_image(image: pb.Image, at: str) -> ImagePart:
    detail = image.detail or None
    if image.url:
        return ImagePart(url=image.url, detail=detail)
    if not image.data or not image.media_type:
        refuse(f"{at}.image", "needs a 'url', or 'data' with its 'media_type'")
    return ImagePart(data=b64encode(image.data).decode(), media_type=image.media_type, detail=detail)


def _decode_file(file: pb.File) -> FilePart:
    return FilePart(
        data=b64encode(file.data).decode() if file.data else None,
        file_id=file.file_id or None,
        filename=file.filename or None,
        media_type=file.media_type or None,
    )


def _decode_result(result: pb.ToolResult, at: str) -> ToolResult:
    parts = _decode_parts(result.content, result.parts, f"{at}.tool_result")
    if not all(isinstance(part, _ResultPart) for part in parts):
        refuse(f"{at}.tool_result", "holds text, images, sound and files only")
    return ToolResult(
        call_id=result.call_id, content=cast("tuple[_ResultPart, ...]", parts), is_error=result.is_error
    )


_DECODERS: dict[str, Callable[[Any, str], Part]] = {
    "text": lambda text, at: TextPart(text=text),
    "image": _decode_image,
    "audio": lambda audio, at: AudioPart(data=b64encode(audio.data).decode(), format=audio.format),
    "file": lambda file, at: _decode_file(file),
    "refusal": lambda text, at: RefusalPart(text=text),
    "reasoning": lambda thought, at: ReasoningPart(text=thought.text, signature=thought.signature or None),
    "tool_call": lambda call, at: ToolCall(id=call.id, name=call.name, arguments=call.arguments),
    "tool_result": _decode_result,
}


def encode_answer(parts: Iterable[Part]) -> pb.Message:
    """Raises UnsupportedFeature for a part that has no place here, ProviderProtocolError for bad base64."""
    return pb.Message(role=pb.ROLE_ASSISTANT, parts=[_encode_part(part) for part in parts])


def _encode_part(part: Part) -> pb.Part:
    encoder = _ENCODERS.get(type(part))
    if encoder is None:
        raise UnsupportedFeature("The model answered with a part that gRPC has no place for.")
    return encoder(part)


def _encode_image(part: ImagePart) -> pb.Part:
    if part.url:
        return pb.Part(image=pb.Image(url=part.url))
    return pb.Part(image=pb.Image(data=_bytes(part.data), media_type=part.media_type or ""))


def _encode_call(call: ToolCall) -> pb.Part:
    return pb.Part(tool_call=pb.ToolCall(id=call.id, name=call.name, arguments=call.arguments))


def _encode_reasoning(part: ReasoningPart) -> pb.Part:
    return pb.Part(reasoning=pb.Reasoning(text=part.text, signature=part.signature or ""))


_ENCODERS: dict[type, Callable[[Any], pb.Part]] = {
    TextPart: lambda part: pb.Part(text=part.text),
    RefusalPart: lambda part: pb.Part(refusal=part.text),
    ReasoningPart: _encode_reasoning,
    ToolCall: _encode_call,
    ImagePart: _encode_image,
    AudioPart: lambda part: pb.Part(audio=pb.Audio(data=_bytes(part.data), format=part.format)),
}


def _bytes(base64: str | None) -> bytes:
    try:
        return b64decode(base64 or "", validate=True)
    except Base64Error:
        raise ProviderProtocolError("The provider sent a part whose base64 is broken.") from None
