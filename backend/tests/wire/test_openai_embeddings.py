"""Embeddings, both ways."""

import base64
import json
import struct
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import InvalidRequest, ProviderProtocolError, UpstreamError
from app.domain.usage import Usage
from app.wire import openai_embeddings as wire
from tests.wire.cases import cases


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*vectors: Any, **more: Any) -> dict[str, Any]:
    rows = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return {"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}, **more}


@pytest.mark.parametrize("case", cases("openai_embeddings_requests"))
def test_a_round_trip_loses_nothing(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    decoded = wire.decode(body)
    encoded = wire.encode(decoded)
    assert json.loads(encoded) == case.get("encoded", case["body"])
    assert wire.decode(encoded) == decoded
    head = wire.peek(body)
    assert (head.model, head.stream, head.encoding) == (decoded.model, False, decoded.encoding)


def test_decoded() -> None:
    body = b'{"model":"m","input":[[1,2],[3]],"encoding_format":"base64","dimensions":4,"x":1}'
    assert wire.decode(body) == EmbeddingRequest(
        model="m",
        inputs=((1, 2), (3,)),
        encoding="base64",
        dimensions=4,
        extensions={"openai_embeddings": {"x": 1}},
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"model":"m"}', "input"),
        ('{"input":"a"}', "model"),
        ('{"model":"m","input":3}', "input"),
        ('{"model":"m","input":"a","encoding_format":"hex"}', "encoding_format"),
        ('{"model":"m","input":"a","dimensions":"4"}', "dimensions"),
    ],
)
@pytest.mark.parametrize("read", [wire.peek, wire.decode], ids=["peek", "decode"])
def test_refused(read: Any, body: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body.encode())
    assert caught.value.param == param


def test_the_same_vectors_in_both_encodings() -> None:
    numbers, text = answer([0.5, -1, 2.25], [0, 1e-3, 4]), answer(packed(0.5, -1, 2.25), packed(0, 0.5, 4))
    assert wire.decode_response(json.dumps(numbers).encode()) == EmbeddingResult(
        model="m", vectors=((0.5, -1.0, 2.25), (0.0, 1e-3, 4.0)), usage=Usage(input_tokens=3)
    )
    decoded = wire.decode_response(json.dumps(text).encode())
    assert decoded.vectors == ((0.5, -1.0, 2.25), (0.0, 0.5, 4.0))
    assert json.loads(wire.encode_response(decoded, "base64")) == text
    as_numbers = wire.encode_response(decoded, "float")
    CreateEmbeddingResponse.model_validate_json(as_numbers)
    assert wire.decode_response(as_numbers) == decoded


def test_an_answers_extras_are_kept() -> None:
    value = answer([1.0], [2.0], meta={"v": 1})
    value["data"][1]["chunk"] = "b"
    value["usage"]["cost"] = 0.5
    assert json.loads(wire.encode_response(wire.decode_response(json.dumps(value).encode()))) == value


def test_vectors_stand_in_the_order_of_the_inputs() -> None:
    value = answer([1.0], [2.0])
    value["data"].reverse()
    assert wire.decode_response(json.dumps(value).encode()).vectors == ((1.0,), (2.0,))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":{}}',
        b'{"data":[1]}',
        b'{"data":[{}]}',
        b'{"data":[{"embedding":["a"]}]}',
        b'{"data":[{"embedding":"AAA"}]}',
        b'{"data":[{"embedding":"AAAA"}]}',
        b'{"data":[{"embedding":"\xc3\xa9"}]}',
        b'{"data":[{"embedding":[1],"index":"a"}]}',
        b'{"data":[],"usage":{"prompt_tokens":"a"}}',
    ],
)
def test_an_answer_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(ProviderProtocolError):
        wire.decode_response(body)


def test_an_error_in_place_of_an_answer() -> None:
    with pytest.raises(UpstreamError, match="acme"):
        wire.decode_response(b'{"error":{"message":"boom"}}', "acme")
