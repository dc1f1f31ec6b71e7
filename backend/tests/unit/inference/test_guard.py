"""Prompts and contexts: what is told at once, what is counted, what is left to the upstream."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Literal

import pytest

from app.domain.chat import ChatRequest, CompletionRequest, ImagePart, Message, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import ContextLengthExceeded, InvalidRequest, UpstreamUnavailable
from app.domain.events import Finished, Started
from app.domain.exchange import Encoded, Exchange
from app.inference.call import Call, Operation
from app.inference.policy import ModelPolicy
from app.inference.router import Router
from app.inference.stages import guard
from app.inference.stages.guard import Guard
from app.testing.providers import ScriptedProvider
from tests.unit.inference.targets import call_for, live, model

ANSWER = (Started(id="1", model="model", created=0), Finished(reason="stop"))
WINDOW = 100


class Counter(ScriptedProvider):
    """Counts too; `told` is the count, or what goes wrong."""

    def __init__(self, name: str, told: int | BaseException | asyncio.Event) -> None:
        super().__init__(ANSWER, name=name)
        self.told = told
        self.counted = 0

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        assert (exchange.model, exchange.request.model) == ("model", "m")
        self.counted += 1
        if isinstance(self.told, asyncio.Event):
            await self.told.wait()
        if isinstance(self.told, BaseException):
            raise self.told
        assert isinstance(self.told, int)
        return self.told


class NearCounter(Counter):
    counts_nearby: Literal[True] = True


def chat(length: int, *more: ImagePart) -> ChatRequest:
    """About that many tokens, if they are English."""
    content = (TextPart(text="four" * (length - 4)), *more)
    return ChatRequest(model="m", messages=(Message(role="user", content=content),))


def asking(request: Any, body: int | None = None, operation: Operation = "chat") -> Call:
    """`body`: the length of the bytes that it came in."""
    encoded = None if body is None else Encoded("f", b"x" * body, lambda body, _: body)
    return call_for(decode=lambda: request, encoded=encoded, operation=operation)


async def opened(call: Call, *providers: ScriptedProvider, window: int | None = WINDOW, **policy: Any) -> None:
    names = [provider.name for provider in providers]
    configured = {
        "m": model(names[0], policy=ModelPolicy(**policy), context_window=window),
        "roomy": model(names[-1], context_window=100_000),
    }
    catalog = live(providers, configured)
    async with aclosing(await Router(catalog, call_stages=[Guard(catalog)]).open(call)) as stream:
        assert [event async for event in stream] == list(ANSWER)


def unreadable() -> Any:
    raise InvalidRequest("nobody should look")


@pytest.mark.parametrize(("window", "body"), [(WINDOW, WINDOW), (None, 10_000)])
async def test_an_ordinary_request_is_not_even_decoded(window: int | None, body: int) -> None:
    call = asking(None, body)
    call.decode = unreadable
    await opened(call, ScriptedProvider(ANSWER), window=window)
    assert call.prompt is None


async def test_what_cannot_be_read_here_is_left_to_whoever_is_asked() -> None:
    call = asking(None, 1000)
    call.decode = unreadable
    await opened(call, ScriptedProvider(ANSWER))
    assert call.prompt is None


@pytest.mark.parametrize(
    ("request_", "operation", "fits"),
    [
        (chat(90), "chat", True),
        (chat(200), "chat", True),  # by half: the upstream is to say
        (chat(220), "chat", False),
        (chat(50, ImagePart(url="https://example.com/a.png")), "chat", True),
        (CompletionRequest(model="m", prompts=("four" * 201,)), "text_completion", True),
        (CompletionRequest(model="m", prompts=("four" * 202,)), "text_completion", False),
        (CompletionRequest(model="m", prompts=((1,) * 100, (1,) * 100)), "text_completion", True),
        (CompletionRequest(model="m", prompts=((1,) * 10, (1,) * 101)), "text_completion", False),
        (EmbeddingRequest(model="m", inputs=("four",) * 1000), "embeddings", True),
        (EmbeddingRequest(model="m", inputs=("a", "four" * 202)), "embeddings", False),
    ],
)
@pytest.mark.parametrize("body", [None, 1000])
async def test_only_what_surely_does_not_fit_is_refused(
    request_: Any, operation: Operation, fits: bool, body: int | None
) -> None:
    provider = ScriptedProvider(ANSWER)
    call = asking(request_, body, operation)
    if fits:
        await opened(call, provider)
        return
    with pytest.raises(ContextLengthExceeded) as refused:
        await opened(call, provider)
    assert provider.exchanges == []
    assert call.prompt is not None
    assert str(refused.value) == (
        f"The prompt has about {call.prompt.about} tokens and the largest context of the model 'm' is 100. "
        "Shorten it."
    )
    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("length", "count", "fits", "counted"),
    [(49, 0, True, 0), (60, 100, True, 1), (60, 101, False, 1), (200, 100, True, 1), (220, 0, False, 0)],
)
async def test_what_is_open_is_counted_by_a_server_nearby(
    length: int, count: int, fits: bool, counted: int
) -> None:
    provider = NearCounter("near", count)
    call = asking(chat(length), 1000)
    if fits:
        await opened(call, provider)
    else:
        with pytest.raises(ContextLengthExceeded, match=r"has 101 tokens" if counted else "about"):
            await opened(call, provider)
    assert provider.counted == counted
    assert len(provider.exchanges) == fits


async def test_a_cloud_is_not_asked_to_count() -> None:
    provider = Counter("cloud", 101)
    await opened(asking(chat(150), 1000), provider)
    assert provider.counted == 0


@pytest.mark.parametrize("trouble", [lambda: UpstreamUnavailable("down"), asyncio.Event], ids=["fails", "hangs"])
async def test_who_does_not_count_in_time_stops_nobody(
    trouble: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "COUNT_SECONDS", 0.01)
    provider = NearCounter("near", trouble())
    await opened(asking(chat(150), 1000), provider)
    assert (provider.counted, len(provider.exchanges)) == (1, 1)


async def test_what_does_not_fit_goes_to_a_larger_context_at_once() -> None:
    small, large = ScriptedProvider(ANSWER, name="small"), ScriptedProvider(ANSWER, name="large")
    call = asking(chat(5000), 20_000)
    await opened(call, small, large, context_fallbacks=("roomy",))
    assert (len(small.exchanges), len(large.exchanges)) == (0, 1)
    assert [(each.name, each.excluded) for each in call.considered] == [
        ("m", "a prompt of about 5000 tokens does not fit its context of 100")
    ]
