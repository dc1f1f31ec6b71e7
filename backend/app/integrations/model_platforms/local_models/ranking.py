"""Reranking by llama.cpp: its own way of asking is everybody's, but for texts in objects and texts given back."""

from typing import Any

import msgspec

from app.domain.errors import UpstreamUnavailable
from app.domain.events import EventStream, Opaque, UsageReported
from app.domain.exchange import Exchange
from app.domain.rerank import RerankRequest
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.integrations.model_platforms.local_models import failures
from app.integrations.model_platforms.local_models.inference import Source
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.wire import rerank


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Figures(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _Figures = _Figures()
    results: list[_Result] = []
    error: dict[str, Any] | None = None


def question(request: RerankRequest, model: LocalModel) -> bytes:
    return msgspec.json.encode(
        {
            "model": model.id,
            "query": request.query,
            "documents": request.documents,
            "top_n": request.top_n or len(request.documents),
        }
    )


def ranks(exchange: Exchange[RerankRequest], body: bytes, source: Source) -> EventStream:
    """Raises PlatformError when `body` is a refusal."""
    answer, request = msgspec.json.decode(body, type=_Answer), exchange.request
    if answer.error is not None:
        raise failures.from_answer(
            answer.error, provider=source.provider, model=source.model, window=source.window
        )
    if any(result.index >= len(request.documents) for result in answer.results):
        raise UpstreamUnavailable(f"The local model '{source.model}' failed to answer.", provider=source.provider)
    tokens = answer.usage.prompt_tokens
    told = {
        "model": source.model,
        "object": "list",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "results": [_result(result, request) for result in answer.results],
    }
    handed_on = Opaque(rerank.FORMAT, msgspec.json.encode(told), whole=True)
    return Whole([handed_on, UsageReported(usage=Usage(input_tokens=tokens))])


def _result(result: _Result, request: RerankRequest) -> dict[str, Any]:
    text = {"document": {"text": request.documents[result.index]}} if request.return_documents else {}
    return {"index": result.index, "relevance_score": result.relevance_score, **text}
