"""What a call is taken to need, and what is held against it at its end."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from app.domain.chat import ChatRequest, CompletionRequest, Message, Sampling, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import UpstreamError
from app.domain.events import Opaque, TextDelta, ToolCallDelta
from app.domain.exchange import Encoded
from app.domain.limits import Estimate
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.inference.call import Call, Operation, PromptSize
from app.inference.estimate import MOST, answer_tokens, estimate, prompt_tokens, settled
from app.wire.openai_chat import request as wire
from app.wire.top_level import locate

HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SAID = (Message(role="user", content=(TextPart(text="x" * 400),)),)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}


def sent(operation: Operation = "chat", decode: Callable[[bytes], Any] = wire.decode, **fields: object) -> Call:
    """In bytes, as most come."""
    body = msgspec.json.encode({**HI, **fields})
    encoded = Encoded("openai_chat", body, wire.splice)
    return Call(id="1", operation=operation, model="m", decode=partial(decode, body), encoded=encoded)


def asked(request: object) -> Call:
    return Call(id="1", operation="chat", model="m", decode=lambda: request)


@pytest.mark.parametrize(
    ("call", "output"),
    [
        (sent(), 1000),
        (sent(max_tokens=50), 50),
        (sent(max_completion_tokens=60, max_tokens=50), 60),
        (sent(max_completion_tokens=1, max_tokens=50), 50),
        (sent(max_completion_tokens=1, max_tokens=50, user="base64"), 50),
        (sent(max_output_tokens=70), 70),
        (sent(max_tokens=50, n=4), 200),
        (sent(max_tokens=50, n=2, best_of=5), 250),
        (sent(max_tokens=None, n=None), 1000),
        (sent(max_tokens=10**30), MOST),
        (sent(max_tokens=-5, n=-3), 1000),
        (sent("text_completion", prompt="a", max_tokens=50), 50),
        (sent("text_completion", prompt=["a", "b", "c"], max_tokens=50, n=2), 300),
        (sent("text_completion", prompt=["a", "b", "c"], max_tokens=50, best_of=2), 300),
        (sent("text_completion", prompt=[[1, 2], [3]], max_tokens=50), 100),
        (sent("text_completion", prompt=[1, 2, 3], max_tokens=50), 50),
        (sent("text_completion", prompt=[], max_tokens=50), 50),
        (sent("embeddings"), 0),
        (asked(ChatRequest(model="m", messages=SAID)), 1000),
        (asked(ChatRequest(model="m", messages=SAID, sampling=Sampling(max_output_tokens=9, n=3))), 27),
        (asked(CompletionRequest(model="m", prompts=("a", "b"), sampling=Sampling(max_output_tokens=9))), 18),
        (
            asked(CompletionRequest(model="m", prompts=("a",), sampling=Sampling(max_output_tokens=9), best_of=3)),
            27,
        ),
        (asked(EmbeddingRequest(model="m", inputs=("a", (1, 2, 3)))), 0),
    ],
)
def test_what_an_answer_may_take(call: Call, output: int) -> None:
    assert estimate(call, 1000).output_tokens == output
    if call.encoded is not None:  # the same where a peek told where the fields stand
        found = msgspec.structs.replace(call.encoded, places=locate(call.encoded.body))
        same = Call(id="1", operation=call.operation, model="m", decode=call.decode, encoded=found)
        assert estimate(same, 1000) == estimate(call, 1000)


@pytest.mark.parametrize(
    ("call", "assumed"),
    [
        (sent(), True),
        (sent(max_tokens=50), False),
        (asked(ChatRequest(model="m", messages=SAID)), True),
        (asked(ChatRequest(model="m", messages=SAID, sampling=Sampling(max_output_tokens=9))), False),
    ],
)
def test_it_is_known_whether_the_caller_named_a_maximum(call: Call, assumed: bool) -> None:
    assert estimate(call, 1000).assumed is assumed


@pytest.mark.parametrize("before", ["", "x" * 20_000, "6" * 20_000, "base6 ase64 " * 2_000])
@pytest.mark.parametrize("after", ["", "x" * 20_000, "6" * 20_000])
def test_a_picture_is_found_in_a_body_of_any_length(before: str, after: str) -> None:
    texts = [{"type": "text", "text": text} for text in (before, after)]
    with_picture = estimate(sent(messages=[{"role": "user", "content": [texts[0], PICTURE, texts[1]]}]), 0)
    assert with_picture.input_tokens < (len(before) + len(after)) / 4 + 10_000
    alone = estimate(sent(messages=[{"role": "user", "content": texts}]), 0)
    assert (len(before) + len(after)) // 4 <= alone.input_tokens < (len(before) + len(after)) / 4 + 100


def test_a_prompt_is_a_quarter_of_its_bytes_whoever_sends_it() -> None:
    assert estimate(sent(messages=[{"role": "user", "content": "x" * 4000}]), 1).input_tokens in range(1000, 1030)
    assert estimate(asked(ChatRequest(model="m", messages=SAID)), 1).input_tokens == 104
    assert estimate(asked(EmbeddingRequest(model="m", inputs=("x" * 40, (1, 2, 3)))), 1).input_tokens == 14


def test_pictures_count_as_pictures() -> None:
    assert estimate(sent(messages=[{"role": "user", "content": [PICTURE]}]), 1).input_tokens == 1004
    # What can't be read is left to whoever says so.
    assert estimate(sent(messages=[{"role": "user", "content": [PICTURE, {"type": 7}]}]), 1).input_tokens > 99_000


EXPECTED = Estimate(100, 1000)


@pytest.mark.parametrize(
    ("error", "usage", "was_asked", "held"),
    [
        (None, Usage(input_tokens=90, output_tokens=5), True, (90, 5)),
        (None, Usage(output_tokens=5, estimated=True), True, (100, 5)),
        (None, None, True, (100, 1000)),
        (UpstreamError("failed"), None, True, (0, 0)),
        (UpstreamError("failed"), Usage(output_tokens=7, estimated=True), True, (100, 7)),
        (asyncio.CancelledError(), None, True, (100, 0)),
        (asyncio.CancelledError(), None, False, (0, 0)),
    ],
)
def test_what_was_not_told_is_not_for_nothing(
    error: BaseException | None, usage: Usage | None, was_asked: bool, held: tuple[int, int]
) -> None:
    found = settled(EXPECTED, error, usage, was_asked)
    assert (found.input_tokens, found.output_tokens) == held if found else held == (0, 0)


@pytest.mark.parametrize(
    ("call", "tokens"),
    [
        (sent(filling="x" * 400), 118),
        (sent(messages=[{"role": "user", "content": [PICTURE]}]), 1_004),
        (asked(ChatRequest(model="m", messages=SAID)), 104),
        (msgspec.structs.replace(sent(), prompt=PromptSize(about=7, fewest=3)), 7),
    ],
)
def test_what_nobody_tells_was_read_all_the_same(call: Call, tokens: int) -> None:
    assert prompt_tokens(call) == tokens


@pytest.mark.parametrize(
    ("operation", "tokens"), [("chat", 25), ("text_completion", 25), ("embeddings", 0), ("rerank", 0)]
)
def test_what_nobody_tells_was_written_all_the_same(operation: Operation, tokens: int) -> None:
    called = ToolCallDelta(index=0, arguments="{}")
    whole = Whole([Opaque(format="x", data=b"y" * 90, whole=True), TextDelta(text="\u00e9hello"), called])
    assert answer_tokens(sent(operation), whole) == tokens
