"""Requests as the router would hand them over, and their answers read to the end."""

from contextlib import aclosing
from typing import Any

from app.domain.chat import ChatRequest, CompletionRequest, Message, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream, StreamEvent, TextDelta
from app.domain.exchange import Exchange


def chat(text: str = "What is a pod?", *, model: str = "demo:latest", **fields: Any) -> Exchange[ChatRequest]:
    messages = fields.pop("messages", (Message(role="user", content=(TextPart(text=text),)),))
    request = ChatRequest(model="alias", messages=messages, **fields)
    return Exchange(model=model, decode=lambda: request, request_id="req-1")


def completion(*prompts: str, model: str = "demo:latest", **fields: Any) -> Exchange[CompletionRequest]:
    request = CompletionRequest(model="alias", prompts=prompts, **fields)
    return Exchange(model=model, decode=lambda: request, request_id="req-1")


def embedding(*texts: str, model: str = "vectors:latest", **fields: Any) -> Exchange[EmbeddingRequest]:
    request = EmbeddingRequest(model="alias", inputs=texts, **fields)
    return Exchange(model=model, decode=lambda: request, request_id="req-1")


async def read(stream: EventStream) -> list[StreamEvent]:
    async with aclosing(stream):
        return [event async for event in stream]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
