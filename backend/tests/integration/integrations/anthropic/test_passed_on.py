"""Same-format traffic: the upstream gets the caller's bytes, the model apart, and the caller gets its bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any, Literal

import pytest

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    PlatformError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import EventStream, Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.model_platforms.anthropic.integration import AnthropicIntegration
from app.wire import call_ids
from app.wire.anthropic_messages import FORMAT
from tests.integration.integrations.anthropic.provider import (
    BODY,
    VERSION,
    asked,
    config,
    data,
    hello,
    passed_on,
    running,
    translated,
)
from tests.servers.anthropic_answers import Answer, call, text, thought
from tests.servers.anthropic_fake import KEY, AnthropicFake, Fault
from tests.servers.anthropic_models import OPUS
from tests.servers.chaos import Trouble, chaos_proxy

FIGURES = {"input_tokens": 3, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 5, "output_tokens": 7}
USED = Usage(input_tokens=48, output_tokens=7, cached_tokens=40, cache_write_tokens=5)
ANSWER = Answer([thought(), text(), call("f", x=[1.0])], "tool_use", usage=FIGURES)


class Unended(Answer):
    def events(self, model: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        return (event for event in super().events(model, body) if event["type"] != "message_stop")


@pytest.mark.parametrize("stream", [False, True])
async def test_bytes_out_and_bytes_back(fake: AnthropicFake, stream: bool) -> None:
    fake.answers = [ANSWER]
    headers = (("anthropic-version", "2026-10-21"), ("anthropic-beta", "mine-1"))
    async with running(fake.url, headers={"x-team": "blue"}) as integration:
        events = await asked(integration, passed_on(stream=stream, headers=headers))
    assert data(events) == fake.written
    assert {event.format for event in events if isinstance(event, Opaque)} == {FORMAT}
    (told,) = [event for event in events if isinstance(event, UsageReported)]
    assert counts(told.usage) == USED
    request = fake.asked()[-1]
    assert request.body == (BODY % (b"true" if stream else b"false")).replace(
        b'"alias"', OPUS.id.join('""').encode()
    )
    want = {**dict(headers), "x-api-key": KEY, "x-team": "blue", "x-request-id": "req-1"}
    assert {name: request.headers.get(name) for name in want} == want
    assert request.headers["content-type"] == "application/json"


async def test_signatures_that_ids_carry_for_another_provider_are_not_passed_on(fake: AnthropicFake) -> None:
    fake.answers = [ANSWER]
    turns = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":['
        b'{"type":"tool_use", "id":"%b","name":"f","input":{}}]},{"role":"user","content":['
        b'{"type":"tool_result","tool_use_id" : "%b"}]}]}'
    )
    signed = call_ids.sign("c1", "AA==").encode()
    async with running(fake.url) as integration:
        await asked(integration, passed_on(turns % (signed, signed)))
    assert fake.asked()[-1].body == (turns % (b"c1", b"c1")).replace(b'"m"', OPUS.id.join('""').encode())


async def gather(stream: EventStream, seen: list[StreamEvent]) -> None:
    async for event in stream:
        seen.append(event)


def counts(usage: Usage) -> Usage:
    """Without what only this format has."""
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_the_figures_are_those_that_decoding_finds(fake: AnthropicFake, stream: bool) -> None:
    fake.answers = [ANSWER, ANSWER]
    async with running(fake.url) as integration:
        handed_on = await asked(integration, passed_on(stream=stream))
        read = await asked(integration, translated(hello(), stream=stream))
    told = [[event for event in events if isinstance(event, UsageReported)] for events in (handed_on, read)]
    assert counts(told[0][0].usage) == counts(told[1][0].usage) == USED


async def test_the_callers_own_version_or_else_the_platforms(fake: AnthropicFake) -> None:
    async with running(fake.url, version="2026-10-21") as integration:
        await asked(integration, passed_on())
        await asked(integration, passed_on(headers=()))
    assert [each.headers["anthropic-version"] for each in fake.asked()] == [VERSION[1], "2026-10-21"]


@pytest.mark.parametrize(
    ("headers", "want"),
    [((VERSION,), "ours-1"), ((VERSION, ("anthropic-beta", "mine-1,mine-2")), "ours-1,mine-1,mine-2")],
)
async def test_a_callers_betas_stand_beside_the_operators(
    fake: AnthropicFake, headers: tuple[tuple[str, str], ...], want: str
) -> None:
    async with running(fake.url, headers={"Anthropic-Beta": "ours-1"}) as integration:
        await asked(integration, passed_on(headers=headers))
    assert fake.asked()[-1].headers["anthropic-beta"] == want


async def test_a_stream_is_handed_on_as_it_comes(fake: AnthropicFake) -> None:
    gate = asyncio.Event()
    fake.hold = (4, gate)
    async with (
        running(fake.url) as integration,
        aclosing(await integration.chat(passed_on(stream=True))) as stream,
    ):
        seen = b""
        while seen.count(b"\n\n") < 4:
            async with asyncio.timeout(5):
                event = await anext(stream)
            assert isinstance(event, Opaque)
            seen += event.data
        gate.set()
        assert seen + data([event async for event in stream]) == fake.written


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(400, "invalid_request_error", "metadata: bad"), InvalidRequest),
        (Fault(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), ContextLengthExceeded),
        (Fault(400, "invalid_request_error", "Your credit balance is too low to access it."), UpstreamRateLimited),
        (Fault(401, "authentication_error"), UpstreamAuthFailed),
        (Fault(402, "billing_error"), UpstreamRateLimited),
        (Fault(403, "permission_error"), UpstreamAuthFailed),
        (Fault(404, "not_found_error", "model: claude-x"), ModelNotFound),
        (Fault(413, "request_too_large", "too large"), PayloadTooLarge),
        (Fault(429, "rate_limit_error", headers={"retry-after": "7"}), UpstreamRateLimited),
        (Fault(500, "api_error"), UpstreamError),
        (Fault(504, "timeout_error"), UpstreamTimeout),
        (Fault(529, "overloaded_error"), UpstreamUnavailable),
    ],
    ids=lambda value: value.message if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_instead_of_an_answer(
    fake: AnthropicFake, fault: Fault, error: type[PlatformError], stream: bool
) -> None:
    fake.faults = [fault]
    async with running(fake.url) as integration:
        with pytest.raises(PlatformError) as caught:
            await asked(integration, passed_on(stream=stream))
    assert type(caught.value) is error
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"
    assert caught.value.provider == "up"
    assert caught.value.retry_after == (7.0 if fault.status == 429 else None)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", UpstreamUnavailable),
        ("rate_limit_error", UpstreamRateLimited),
        ("timeout_error", UpstreamTimeout),
        ("api_error", UpstreamError),
        ("some_new_error", UpstreamError),
    ],
)
async def test_an_error_in_mid_stream_is_raised_after_what_came(
    fake: AnthropicFake, kind: str, error: type[PlatformError]
) -> None:
    fake.faults = [Fault(529, kind, after=5)]
    seen: list[StreamEvent] = []
    async with (
        running(fake.url) as integration,
        aclosing(await integration.chat(passed_on(stream=True))) as stream,
    ):
        with pytest.raises(PlatformError) as caught:
            await gather(stream, seen)
    assert type(caught.value) is error
    assert data(seen) == fake.written
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("end", ["fin", "reset"])
@pytest.mark.parametrize("slices", [False, True])
async def test_a_cut_stream_is_an_error_after_what_came(
    fake: AnthropicFake, end: Literal["fin", "reset"], slices: bool
) -> None:
    seen: list[StreamEvent] = []
    async with (
        chaos_proxy(fake.port, Trouble(end=end, after=1500, slices=slices)) as proxy,
        running(proxy.url, discover=False) as integration,
        aclosing(await integration.chat(passed_on(stream=True))) as stream,
    ):
        with pytest.raises(UpstreamUnavailable, match="'up'"):
            await gather(stream, seen)
    assert len(data(seen)) > 500
    assert data(seen).endswith(b"\n\n")
    assert fake.written.startswith(data(seen))


async def test_an_end_without_message_stop_is_an_error(fake: AnthropicFake) -> None:
    fake.answers = [Unended([text()])]
    async with running(fake.url) as integration:
        with pytest.raises(UpstreamUnavailable, match="'up' ended the stream early"):
            await asked(integration, passed_on(stream=True))


async def test_a_server_that_is_down(fake: AnthropicFake) -> None:
    async with running(fake.url) as integration:
        await fake.stop()
        with pytest.raises(UpstreamUnavailable):
            await asked(integration, passed_on())


@pytest.mark.parametrize("read", [0, 1])
async def test_closing_a_stream_closes_the_upstream_at_once(fake: AnthropicFake, read: int) -> None:
    fake.hold = (3, asyncio.Event())
    async with running(fake.url) as integration:
        stream = await integration.chat(passed_on(stream=True))
        for _ in range(read):
            await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(0.5):
            assert await fake.left.get() == "/v1/messages"


async def test_cancelling_a_request_closes_the_upstream_at_once(fake: AnthropicFake) -> None:
    fake.hold = (0, asyncio.Event())
    async with running(fake.url) as integration:
        asking = asyncio.create_task(asked(integration, passed_on()))
        while await fake.arrived.get() != "/v1/messages":
            pass
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(0.5):
            await fake.left.get()


async def test_connections_serve_again(fake: AnthropicFake) -> None:
    async with running(fake.url) as integration:
        for stream in (True, False, True, True):
            await asked(integration, passed_on(stream=stream))
        assert await integration.count_tokens(passed_on())
    assert len(fake.connections) == 1


async def test_nothing_is_asked_before_the_start() -> None:
    integration = AnthropicIntegration(config("http://127.0.0.1:1"))
    with pytest.raises(UpstreamUnavailable, match="not started"):
        await integration.chat(passed_on())
    with pytest.raises(UpstreamUnavailable, match="not started"):
        await integration.count_tokens(passed_on())
