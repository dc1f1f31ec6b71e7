"""Short ways to ask the embedded runtime, and what its answers hold."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from app.core.clock import Clock
from app.core.integration_framework import IntegrationConfig
from app.domain.chat import ChatRequest, ChatResult
from app.domain.events import EventStream, Opaque, StreamEvent
from app.domain.exchange import Encoded, Exchange
from app.domain.streams import collect
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.wire import openai_chat
from app.wire.openai_chat.request import decode
from app.wire.openai_chat.stream import StreamDecoder

QUESTION = "What is a pod?"
# Never ends by itself before the context is full.
ENDLESS = {"ignore_eos": True}
Fields = dict[str, Any]


@asynccontextmanager
async def custom_models(clock: Clock | None = None, **settings: Any) -> AsyncIterator[CustomModelsIntegration]:
    config = IntegrationConfig(name="custom_models", settings={"threads": 1, **settings})
    integration = CustomModelsIntegration(config, clock=clock)
    try:
        await integration.initialize()
        yield integration
    finally:
        await integration.shutdown()


def asked(question: str = QUESTION, **fields: Any) -> Fields:
    return {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 40, **fields}


def encoded(format: str, fields: Fields, decode: Callable[[bytes], Any], *, model: str = "demo") -> Exchange[Any]:
    """An exchange as a front-end of that very format makes it."""
    body = msgspec.json.encode({"model": "anything", **fields})
    return Exchange(
        model=model,
        decode=lambda: decode(body),
        encoded=Encoded(format, body, lambda raw, name, _: raw.replace(b'"anything"', f'"{name}"'.encode(), 1)),
        stream=bool(fields.get("stream")),
    )


def chat_exchange(fields: Fields, *, model: str = "demo") -> Exchange[ChatRequest]:
    return encoded(openai_chat.FORMAT, fields, decode, model=model)


def foreign_exchange(fields: Fields, *, model: str = "demo") -> Exchange[ChatRequest]:
    """An exchange as a front-end of another format makes it."""
    body = msgspec.json.encode({"model": "anything", **fields})
    return Exchange(model=model, decode=lambda: decode(body), stream=bool(fields.get("stream")))


async def events(stream: EventStream) -> list[StreamEvent]:
    return [event async for event in stream]


async def answered(custom: CustomModelsIntegration, fields: Fields, *, model: str = "demo") -> ChatResult:
    return await collect(await custom.chat(chat_exchange(fields, model=model)))


async def streamed(custom: CustomModelsIntegration, fields: Fields) -> ChatResult:
    """The same answer by way of the frames that a client would see."""
    decoder = StreamDecoder()

    async def unfolded() -> AsyncIterator[StreamEvent]:
        async for event in await custom.chat(chat_exchange({**fields, "stream": True})):
            for inner in decoder.feed(event.data) if isinstance(event, Opaque) else [event]:
                yield inner
        for inner in decoder.close():
            yield inner

    async with aclosing(unfolded()) as stream:
        return await collect(stream)


def text(result: ChatResult, choice: int = 0) -> str:
    return "".join(getattr(part, "text", "") for part in result.choices[choice].message.content)


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition that threads bring about; fail when it does not come true."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - threads set no asyncio event
            await asyncio.sleep(0.005)
