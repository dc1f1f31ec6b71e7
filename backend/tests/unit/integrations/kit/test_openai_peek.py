"""What is seen of an answer that is handed on unread."""

from typing import Any

import msgspec
import pytest

from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamRateLimited
from app.domain.usage import Usage
from app.integrations.kit.openai_peek import error_in, look, usage_in
from app.wire.fields import AnswerFields
from app.wire.openai_chat.usage import decode_usage

USAGES = [
    {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    {"prompt_tokens": 3, "total_tokens": 3},
    {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": None},
    {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0}},
    {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": None}},
    {"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 5}},
    {"prompt_tokens": 9, "completion_tokens": 7, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 3},
    {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}},
]


def answer(usage: Any) -> bytes:
    return msgspec.json.encode({"id": "1", "choices": [{"usage": 1, "error": 2}], "usage": usage})


@pytest.mark.parametrize("usage", USAGES)
def test_the_counts_are_those_that_decoding_would_find(usage: dict[str, Any]) -> None:
    decoded = decode_usage(AnswerFields(msgspec.json.decode(msgspec.json.encode(usage))), "f")
    counts = msgspec.structs.replace(decoded, extensions={})
    assert look(answer(usage), "up") == usage_in(answer(usage)) == counts


@pytest.mark.parametrize("usage", [None, "5", 5, [], {"prompt_tokens": "many"}, {"prompt_tokens": 1.5}])
def test_figures_that_make_no_sense_are_none(usage: Any) -> None:
    assert look(answer(usage), "up") is None
    assert usage_in(answer(usage)) is None


def test_groq_has_a_place_of_its_own() -> None:
    assert usage_in(b'{"x_groq":{"id":"r","usage":{"prompt_tokens":1}}}') == Usage(input_tokens=1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b"null", b'{"id":"1","choi', b'{"usage":5', b"\xff"]
)
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(ProviderProtocolError, match="'up'"):
        look(body, "up")
    assert usage_in(body) is None
    assert error_in(body, "up") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"slow down","code":429}}',
        b'{"error":{"message":"slow down","code":429},"usage":"odd"}',
        b'{"id":"1","error":{"code":429}}',
    ],
)
def test_an_error_is_seen(body: bytes) -> None:
    assert isinstance(error_in(body, "up"), UpstreamRateLimited)
    with pytest.raises(UpstreamRateLimited):
        look(body, "up")


def test_an_error_in_plain_text() -> None:
    assert isinstance(error_in(b'{"error":"overloaded"}', "up"), PlatformError)


@pytest.mark.parametrize("body", [b"{}", b'{"error":null}', b'{"choices":[{"error":{"code":429}}]}'])
def test_no_error_is_seen_where_there_is_none(body: bytes) -> None:
    assert error_in(body, "up") is None
    assert look(body, "up") is None
