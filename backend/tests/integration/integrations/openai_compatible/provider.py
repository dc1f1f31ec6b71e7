"""Running the integration against a scripted server, and asking it the two ways that a front-end asks."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import msgspec

from app.core.integration_framework import IntegrationConfig
from app.domain.chat import ChatRequest, Message, Sampling, TextPart
from app.domain.events import EventStream, Opaque, StreamEvent
from app.domain.exchange import Encoded, Exchange
from app.integrations.model_platforms.openai_compatible.integration import OpenAICompatibleIntegration
from app.wire.openai_chat import request as openai_chat
from tests.servers.scripted import ScriptedServer, json_reply

R = TypeVar("R")

CHAT = "/v1/chat/completions"
LIST = json_reply(b'{"object":"list","data":[{"id":"m","object":"model"}]}')

# Odd spacing, odd escapes, odd numbers and an unknown field: whatever is parsed and written again would change.
BODY = (
    b'{ "messages":[{"role":"user" , "content":"caf\\u00e9 \xc3\xa9"}],\n "model":"alias","temperature":0.70,'
    b'"x_unknown":[1.0,1e2],"stream": false }'
)


def config(url: str, kind: str = "openai_compatible", **settings: Any) -> IntegrationConfig:
    return IntegrationConfig(name="up", kind=kind, settings={"base_url": url, "api_key": "sk-canary", **settings})


@asynccontextmanager
async def running(
    server: ScriptedServer, kind: str = "openai_compatible", **settings: Any
) -> AsyncIterator[OpenAICompatibleIntegration]:
    """Initialised; its server lists the model "m" unless it was told otherwise."""
    if not server.scripted("GET", "/v1/models"):
        server.on("GET", "/v1/models", LIST)
    integration = OpenAICompatibleIntegration(config(server.url, kind, **settings))
    try:
        await integration.initialize()
        yield integration
    finally:
        await integration.shutdown()


def passed_on(
    body: bytes = BODY, *, stream: bool = False, model: str = "m", request_id: str = "req-1"
) -> Exchange[ChatRequest]:
    """A chat that came in the same format."""
    return Exchange(
        model=model,
        decode=lambda: openai_chat.decode(body),
        encoded=Encoded("openai_chat", body, openai_chat.splice),
        stream=stream,
        request_id=request_id,
    )


def translated(request: R, *, stream: bool = False, model: str = "m") -> Exchange[R]:
    """A request that came in some other format."""
    return Exchange(model=model, decode=lambda: request, stream=stream)


def hello(**fields: Any) -> ChatRequest:
    message = Message(role="user", content=(TextPart(text="hi"),))
    request = ChatRequest(model="alias", messages=(message,), sampling=Sampling(temperature=0.5))
    return msgspec.structs.replace(request, **fields)


async def everything(send: Callable[[Exchange[R]], "Any"], exchange: Exchange[R]) -> list[StreamEvent]:
    stream: EventStream = await send(exchange)
    async with aclosing(stream):
        return [event async for event in stream]


def text(events: list[StreamEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Opaque))


def as_json(body: bytes) -> Any:
    return msgspec.json.decode(body)
