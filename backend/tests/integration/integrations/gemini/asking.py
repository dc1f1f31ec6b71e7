"""Requests as the router would hand them over."""

from typing import Any

from app.domain.chat import ChatRequest, Message, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.domain.exchange import Exchange

MODEL = "gemini-3.5-flash"


def chat(
    text: str = "What is a pod?", *, model: str = MODEL, stream: bool = True, **fields: Any
) -> Exchange[ChatRequest]:
    messages = fields.pop("messages", (Message(role="user", content=(TextPart(text=text),)),))
    request = ChatRequest(model="alias", messages=messages, **fields)
    return Exchange(model=model, decode=lambda: request, stream=stream, request_id="req-1")


def embedding(*texts: str, model: str = "gemini-embedding-001", **fields: Any) -> Exchange[EmbeddingRequest]:
    request = EmbeddingRequest(model="alias", inputs=texts, **fields)
    return Exchange(model=model, decode=lambda: request, request_id="req-1")
