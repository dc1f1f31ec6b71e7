"""OpenAI embeddings: https://platform.openai.com/docs/api-reference/embeddings

Errors are those of app.wire.openai_chat.errors. Every field without a place in the domain is kept in
extensions["openai_embeddings"]; those of the single vectors as an array under `data`.
"""

import sys
from array import array
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any, Literal

import msgspec

from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.wire.fields import AnswerFields, RequestFields, merge
from app.wire.head import Head, Peek, Positive
from app.wire.json_text import parse_answer, parse_request
from app.wire.openai_chat.response import take_usage
from app.wire.openai_chat.upstream_errors import raise_error_object
from app.wire.openai_chat.usage import encode_usage
from app.wire.splice import splice
from app.wire.token_inputs import Inputs, encode_inputs, take_inputs

__all__ = [
    "FORMAT",
    "EmbeddingHead",
    "decode",
    "decode_response",
    "encode",
    "encode_response",
    "peek",
    "splice",
]

FORMAT = "openai_embeddings"
Encoding = Literal["float", "base64"]


class EmbeddingHead(Head, gc=False, kw_only=True):
    """The fields that routing, limits and accounting look at; only their types are checked."""

    input: Inputs
    encoding_format: Encoding | None = None
    dimensions: Positive | None = None

    @property
    def stream(self) -> bool:
        return False

    @property
    def encoding(self) -> Encoding:
        return self.encoding_format or "float"


peek = Peek(EmbeddingHead, b'"model"', b'"input"', b'"encoding_format"', b'"dimensions"')


def decode(body: bytes) -> EmbeddingRequest:
    """A request. Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
    fields = RequestFields(parse_request(body))
    encoding = fields.text("encoding_format")
    if encoding not in {None, "float", "base64"}:
        raise fields.wrong("encoding_format", "float or base64")
    if encoding == "float":
        fields.rest["encoding_format"] = encoding
    return EmbeddingRequest(
        model=fields.required_text("model"),
        inputs=take_inputs(fields, "input"),
        dimensions=fields.integer("dimensions"),
        encoding="base64" if encoding == "base64" else "float",
        user=fields.text("user"),
        extensions=fields.extensions(FORMAT),
    )


def encode(request: EmbeddingRequest) -> bytes:
    """A request."""
    known: dict[str, Any] = {"model": request.model, "input": encode_inputs(request.inputs)}
    if request.encoding != "float":
        known["encoding_format"] = request.encoding
    if request.dimensions is not None:
        known["dimensions"] = request.dimensions
    if request.user is not None:
        known["user"] = request.user
    return msgspec.json.encode(merge(known, request.extensions.get(FORMAT)))


def decode_response(body: bytes, provider: str | None = None) -> EmbeddingResult:
    """An answer. Raises ProviderProtocolError, or the error that `body` holds instead of an answer."""
    value = parse_answer(body, provider)
    raise_error_object(value, provider)
    fields = AnswerFields(value)
    if "data" not in fields.rest:
        raise fields.wrong("data", "an array")
    vectors: list[tuple[int, tuple[float, ...], dict[str, Any]]] = []
    for position, item in enumerate(fields.items("data")):
        vector, index = _decode_vector(item), item.integer("index")
        item.rest.pop("object", None)
        vectors.append((position if index is None else index, vector, item.left()))
    vectors.sort(key=lambda entry: entry[0])
    for name in ("object", "data"):
        fields.rest.pop(name, None)
    if any(left for _, _, left in vectors):
        fields.rest["data"] = [left for _, _, left in vectors]
    return EmbeddingResult(
        model=fields.text("model") or "",
        vectors=tuple(vector for _, vector, _ in vectors),
        usage=take_usage(fields, FORMAT),
        extensions=fields.extensions(FORMAT),
    )


def _decode_vector(item: AnswerFields) -> tuple[float, ...]:
    """Numbers, or base64 of little-endian 32-bit floats."""
    value = item.rest.pop("embedding", None)
    try:
        if type(value) is str:
            numbers = array("f", b64decode(value, validate=True))
            return tuple(_little_endian(numbers))
        return msgspec.convert(value, tuple[float, ...])
    except (Base64Error, ValueError):
        raise item.wrong("embedding", "numbers, or base64 of 32-bit floats") from None


def _little_endian(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def encode_response(result: EmbeddingResult, encoding: Encoding = "float") -> bytes:
    """An answer in the encoding that the request asked for."""
    kept = dict(result.extensions.get(FORMAT, {}))
    lefts: list[dict[str, Any]] = kept.pop("data", None) or [{}] * len(result.vectors)
    known: dict[str, Any] = {
        "object": "list",
        "data": [
            merge({"object": "embedding", "index": index, "embedding": _encode_vector(vector, encoding)}, left)
            for index, (vector, left) in enumerate(zip(result.vectors, lefts, strict=True))
        ],
        "model": result.model,
    }
    if result.usage is not None:
        usage = encode_usage(result.usage, FORMAT)
        del usage["completion_tokens"]
        known["usage"] = usage
    return msgspec.json.encode(merge(known, kept))


def _encode_vector(vector: tuple[float, ...], encoding: Encoding) -> str | tuple[float, ...]:
    if encoding == "float":
        return vector
    return b64encode(_little_endian(array("f", vector)).tobytes()).decode()
