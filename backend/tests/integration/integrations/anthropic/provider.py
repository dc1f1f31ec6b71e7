"""Running the integration against the fake, and asking it the two ways that a front-end asks."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

from app.core.integration_framework import IntegrationConfig
from app.domain.chat import ChatRequest, Message, TextPart
from app.domain.events import EventStream, Opaque, StreamEvent
from app.domain.exchange import Encoded, Exchange
from app.integrations.model_platforms.anthropic.integration import AnthropicIntegration
from app.wire.anthropic_messages import FORMAT, request
from tests.servers.anthropic_fake import KEY, AnthropicFake
from tests.servers.anthropic_models import OPUS, SONNET

# Odd spacing, odd escapes, odd numbers and an unknown order: whatever is parsed and written again would change.
BODY = (
    b'{ "messages":[{"role":"user" , "content":"caf\\u00e9 \xc3\xa9"}],\n "model":"alias","max_tokens":100,'
    b'"metadata":{ "user_id":"u"},"stream": %b }'
)
VERSION = ("anthropic-version", "2023-06-01")


def config(url: str, **settings: Any) -> IntegrationConfig:
    return IntegrationConfig(name="up", kind="anthropic", settings={"base_url": url, "api_key": KEY, **settings})


@asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[AnthropicIntegration]:
    integration = AnthropicIntegration(config(url, **settings))
    try:
        await integration.initialize()
        yield integration
    finally:
        await integration.shutdown()


def passed_on(
    body: bytes = b"",
    *,
    stream: bool = False,
    model: str = OPUS.id,
    headers: tuple[tuple[str, str], ...] = (VERSION,),
) -> Exchange[ChatRequest]:
    """A request that came in Anthropic's own format."""
    body = body or BODY % (b"true" if stream else b"false")
    return Exchange(
        model=model,
        decode=partial(request.decode, body),
        encoded=Encoded(FORMAT, body, request.splice, headers),
        stream=stream,
        request_id="req-1",
    )


def translated(asked: ChatRequest, *, stream: bool = False, model: str = SONNET.id) -> Exchange[ChatRequest]:
    """A request that came in some other format."""
    return Exchange(model=model, decode=lambda: asked, stream=stream, request_id="req-1")


def hello(*before: Message, **fields: Any) -> ChatRequest:
    message = Message(role="user", content=(TextPart(text="hi"),))
    return ChatRequest(model="alias", messages=(*before, message), **fields)


async def everything(stream: EventStream) -> list[StreamEvent]:
    async with aclosing(stream):
        return [event async for event in stream]


async def asked(integration: AnthropicIntegration, exchange: Exchange[ChatRequest]) -> list[StreamEvent]:
    return await everything(await integration.chat(exchange))


def data(events: list[StreamEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Opaque))


def sent(fake: AnthropicFake) -> Any:
    """The body of the last message that was asked for."""
    return fake.asked()[-1].json()
