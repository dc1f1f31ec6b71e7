"""A stream handed on: the same bytes in whole frames, an error raised, the usage told before the end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from app.domain.errors import PlatformError, UpstreamError, UpstreamRateLimited, UpstreamUnavailable
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit import relay as kit
from app.integrations.kit.openai_relay import quiet_relay, relay

HELLO = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"he said \\"error\\" [DONE] \\"usage\\""}}]}\n\n'
)
WORLD = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"w"}}],"usage":null}\n\n'
FIGURES = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
FAILURE = b'data: {"error":{"message":"sk-canary overloaded","code":429}}\n\n'
DONE = b"data: [DONE]\n\n"
USED = Usage(input_tokens=3, output_tokens=2)


async def sent(chunks: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


async def relayed(chunks: Sequence[bytes]) -> list[StreamEvent]:
    return [event async for event in relay(sent(chunks), "f", "up")]


def text(events: Sequence[StreamEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Opaque))


def used(events: Sequence[StreamEvent]) -> list[Usage]:
    return [event.usage for event in events if isinstance(event, UsageReported)]


@pytest.mark.parametrize(
    ("frames", "usage"),
    [
        ([HELLO, DONE], []),
        ([HELLO, WORLD, FIGURES, DONE], [USED]),
        ([b": hi\n\n", HELLO, FIGURES, b": still here\n\n", DONE], [USED]),
        ([HELLO.replace(b"\n\n", b"\r\n\r\n"), FIGURES.replace(b"\n\n", b"\r\n\r\n"), DONE], [USED]),
        (
            [FIGURES, WORLD.replace(b'"usage":null', b'"x_groq":{"usage":{"prompt_tokens":1}}'), DONE],
            [Usage(input_tokens=1)],
        ),
        ([HELLO, b'data: {"usage":{"prompt_tokens":"many"}}\n\n', DONE], []),
        ([HELLO, b'data: {"error":null}\n\n', DONE], []),
        ([HELLO, DONE, b": bye\n\n"], []),
        ([HELLO, b"data:[DONE]\n\n"], []),
        ([HELLO, FIGURES, b"event: end\ndata: [DONE]\n\n"], [USED]),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_the_bytes_are_the_same_however_they_arrive(
    frames: list[bytes], usage: list[Usage], size: int
) -> None:
    whole = b"".join(frames)
    events = await relayed([whole[at : at + size] for at in range(0, len(whole), size)])
    opaque = [event for event in events if isinstance(event, Opaque)]
    assert whole.startswith(text(events))
    assert text(events).rstrip().endswith((b"[DONE]", b": bye"))
    assert all(event.data.endswith((b"\n\n", b"\r\n\r\n")) for event in opaque)
    assert {event.format for event in opaque} == {"f"}
    assert used(events) == usage


PART = b'data: {"choices":[{"index":0,"delta":{"content":" max_tokens"}}],"usage":{"prompt_tokens":3}}\n\n'
GREETING = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}],"usage":null}\n\n'
SPACED = b'event: x\ndata: { "usage" : {"prompt_tokens": 3, "completion_tokens": 2}, "choices" : [ ] }\r\n\r\n'


@pytest.mark.parametrize(
    ("frames", "kept", "usage"),
    [
        ([HELLO, FIGURES, DONE], [HELLO, DONE], [USED]),
        ([HELLO, WORLD, FIGURES, DONE], [HELLO, WORLD, DONE], [USED]),
        ([HELLO, b": still here\n\n", SPACED, DONE], [HELLO, b": still here\n\n", DONE], [USED]),
        ([HELLO, FIGURES, WORLD, DONE], [HELLO, WORLD, DONE], [USED]),
        ([PART, PART, FIGURES, DONE], [PART, PART, DONE], [USED]),
        ([GREETING, HELLO, FIGURES, DONE], [GREETING, HELLO, DONE], [USED]),
        ([HELLO, FIGURES, FIGURES, DONE], [HELLO, DONE], [USED]),
        ([FIGURES, DONE], [DONE], [USED]),
        ([HELLO, PART, DONE], [HELLO, PART, DONE], [Usage(input_tokens=3)]),
        ([GREETING, HELLO, DONE], [GREETING, HELLO, DONE], []),
        (
            [HELLO, b'data: {"choices":[],"usage":{"prompt_tokens":"many"}}\n\n', DONE],
            [HELLO, b'data: {"choices":[],"usage":{"prompt_tokens":"many"}}\n\n', DONE],
            [],
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_figures_are_kept_from_who_did_not_ask(
    frames: list[bytes], kept: list[bytes], usage: list[Usage], size: int
) -> None:
    whole = b"".join(frames)
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    events = [event async for event in quiet_relay(sent(chunks), "f", "up")]
    assert text(events) == b"".join(kept)
    assert used(events) == usage
    assert all(event.data for event in events if isinstance(event, Opaque))
    if usage:
        assert isinstance(events[-2], UsageReported)


async def test_an_error_beside_figures_is_raised_all_the_same() -> None:
    stream = quiet_relay(sent([HELLO + FIGURES + FAILURE]), "f", "up")
    assert await anext(stream) == Opaque("f", HELLO)
    with pytest.raises(UpstreamRateLimited):
        await anext(stream)


@pytest.mark.parametrize("chunks", [[HELLO, FIGURES], [FIGURES[:-2]]])
async def test_figures_are_no_end(chunks: list[bytes]) -> None:
    with pytest.raises(UpstreamUnavailable, match="ended the stream early"):
        _ = [event async for event in quiet_relay(sent(chunks), "f", "up")]


async def test_one_read_is_one_event() -> None:
    assert await relayed([HELLO + WORLD, DONE]) == [Opaque("f", HELLO + WORLD), Opaque("f", DONE, last=True)]


async def test_the_usage_is_told_before_the_end_is_handed_on() -> None:
    events = await relayed([HELLO + FIGURES + DONE])
    assert events == [Opaque("f", HELLO + FIGURES), UsageReported(usage=USED), Opaque("f", DONE, last=True)]


@pytest.mark.parametrize(
    "chunks", [[HELLO + FAILURE + WORLD], [HELLO, FAILURE], [HELLO, FAILURE[:9], FAILURE[9:]]]
)
async def test_an_error_frame_is_raised_after_what_came_before(chunks: list[bytes]) -> None:
    stream = relay(sent(chunks), "f", "up")
    assert await anext(stream) == Opaque("f", HELLO)
    with pytest.raises(UpstreamRateLimited) as caught:
        await anext(stream)
    assert caught.value.provider == "up"
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "frame",
    [
        b'data: {"error":"Model is overloaded","error_type":"overloaded"}\n\n',
        b'data: {"id":"1","error":{"code":502,"message":"x"},"choices":[{"finish_reason":"error"}]}\n\n',
        b'data:{ "error" : {"message":"x"} }\r\n\r\n',
    ],
)
async def test_every_shape_of_an_error_frame(frame: bytes) -> None:
    with pytest.raises(PlatformError) as caught:
        await relayed([frame, DONE])
    assert isinstance(caught.value, UpstreamError)


@pytest.mark.parametrize("chunks", [[], [HELLO], [HELLO, DONE[:8]], [HELLO, b"data: [DO"], [HELLO, WORLD[:20]]])
async def test_an_end_without_done_is_an_error(chunks: list[bytes]) -> None:
    with pytest.raises(UpstreamUnavailable, match="'up' ended the stream early"):
        await relayed(chunks)


@pytest.mark.parametrize("last", [b"data: [DONE]", b"data: [DONE]\n"])
async def test_a_done_that_lacks_its_empty_line_is_completed(last: bytes) -> None:
    events = await relayed([HELLO, FIGURES, last])
    assert text(events) == HELLO + FIGURES + last + b"\n\n"
    assert used(events) == [USED]


async def test_a_server_that_does_not_hang_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "DRAIN_SECONDS", 0.0)
    closed = False

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            yield DONE
            await asyncio.Event().wait()
        finally:
            closed = True

    assert [event async for event in relay(endless(), "f", "up")] == [Opaque("f", DONE, last=True)]
    assert closed
