"""A stream handed on: the same bytes in whole frames, an error raised, the usage told before the end."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamError, UpstreamUnavailable
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.model_platforms.anthropic.relay import look, relay
from tests.servers.anthropic_answers import Answer, call, frame, text, thought

COUNTS = {"input_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 7}
USED = Usage(input_tokens=9, output_tokens=7, cached_tokens=4, cache_write_tokens=3)
SAID = 'a "usage" {"error":1} \n\nevent: error\ndata: {"type":"message_stop"}'
EVENTS = list(Answer([thought(), text(SAID), call("error", usage=1)], usage=COUNTS).events("m", {}))
FRAMES = [frame(event) for event in EVENTS]


async def sent(chunks: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


async def gather(stream: AsyncGenerator[StreamEvent, None], seen: list[StreamEvent]) -> None:
    async for event in stream:
        seen.append(event)


async def relayed(chunks: Sequence[bytes]) -> list[StreamEvent]:
    return [event async for event in relay(sent(chunks), "f", "up")]


def data(events: Sequence[StreamEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Opaque))


def used(events: Sequence[StreamEvent]) -> list[Usage]:
    return [plain(event.usage) for event in events if isinstance(event, UsageReported)]


def plain(usage: Usage) -> Usage:
    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    return Usage(**{name: getattr(usage, name) for name in names})


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_the_bytes_are_the_same_however_they_arrive(size: int, end: bytes) -> None:
    whole = b"".join(FRAMES).replace(b"\n", end)
    events = await relayed([whole[at : at + size] for at in range(0, len(whole), size)])
    assert whole.startswith(data(events))
    assert data(events).rstrip().endswith(b'"message_stop"}')
    assert all(event.data.endswith(end * 2) for event in events if isinstance(event, Opaque))
    assert used(events) == [USED]


async def test_one_read_is_one_event() -> None:
    begun = b"".join(FRAMES[:4])
    assert (await relayed([begun, *FRAMES[4:]]))[0] == Opaque("f", begun)


async def test_the_usage_is_told_before_the_end_is_handed_on() -> None:
    events = await relayed(FRAMES)
    assert isinstance(events[-2], UsageReported)
    assert events[-1] == Opaque("f", FRAMES[-1], last=True)


async def test_the_thinking_counts_too() -> None:
    ended = {**EVENTS[-2], "usage": {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}}
    assert used(await relayed([*FRAMES[:-2], frame(ended), FRAMES[-1]])) == [
        Usage(input_tokens=9, output_tokens=9, cached_tokens=4, cache_write_tokens=3, reasoning_tokens=5)
    ]


@pytest.mark.parametrize("usage", [None, "many", [], {"output_tokens": "many"}, {"output_tokens_details": 7}])
async def test_figures_that_make_no_sense_are_none(usage: Any) -> None:
    begun = {**EVENTS[0], "message": {"usage": usage}}
    assert used(await relayed([frame(begun), *FRAMES[1:-2], FRAMES[-1]])) == []
    assert look(json.dumps({"type": "message", "usage": usage}).encode(), "up") is None


def failing(error: Any, name: bytes = b"event: error\n") -> bytes:
    return name + b"data: " + json.dumps(error).encode() + b"\n\n"


@pytest.mark.parametrize(
    "failure",
    [
        failing({"type": "error", "error": {"type": "overloaded_error", "message": "canary"}, "request_id": "r"}),
        failing({"error": {"type": "overloaded_error", "message": "canary"}}),
        failing({"type": "error", "error": "canary"}),
        failing({"type": "error"}, b""),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_error_is_raised_after_what_came_before(failure: bytes, at_once: bool) -> None:
    chunks = [b"".join(FRAMES[:4]) + failure] if at_once else [*FRAMES[:4], failure[:20], failure[20:]]
    seen: list[StreamEvent] = []
    with pytest.raises(UpstreamError) as caught:
        await gather(relay(sent([*chunks, *FRAMES[4:]]), "f", "up"), seen)
    assert data(seen) == b"".join(FRAMES[:4])
    assert (caught.value.provider, "canary" in str(caught.value)) == ("up", False)


@pytest.mark.parametrize("chunks", [[], FRAMES[:1], FRAMES[:-1], [*FRAMES[:-1], FRAMES[-1][:30]]])
async def test_an_end_without_message_stop_is_an_error(chunks: list[bytes]) -> None:
    with pytest.raises(UpstreamUnavailable, match="'up' ended the stream early"):
        await relayed(chunks)


@pytest.mark.parametrize("cut", [1, 2])
async def test_an_end_that_lacks_its_empty_line_is_completed(cut: int) -> None:
    events = await relayed([*FRAMES[:-1], FRAMES[-1][:-cut]])
    assert data(events).startswith(b"".join(FRAMES)[:-cut])
    assert used(events) == [USED]


async def test_what_is_no_json_is_handed_on_all_the_same() -> None:
    strange = b'event: x\ndata: {"usage" oops\n\ndata: {"type": 7, "error": {}}\n\n'
    events = await relayed([FRAMES[0], strange, *FRAMES[1:]])
    assert strange in data(events)


def test_a_whole_answer() -> None:
    body = json.dumps(Answer([text()], usage=COUNTS).message("m", {})).encode()
    usage = look(body, "up")
    assert usage is not None
    assert plain(usage) == USED
    assert look(b'{"type":"message"}', "up") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"type":7}', b"[" * 5000])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(ProviderProtocolError, match="'up'"):
        look(body, "up")


def test_an_error_instead_of_an_answer() -> None:
    with pytest.raises(PlatformError) as caught:
        look(b'{"type":"error","error":{"type":"api_error","message":"canary"}}', "up")
    assert "canary" not in str(caught.value)
