"""Embeddings by Hugging Face's own inference, the one provider that names models as the Hub does.

https://huggingface.co/docs/inference-providers/tasks/feature-extraction
"""

import re
from contextlib import aclosing
from functools import partial

import msgspec

from app.core.http import OutboundRequest
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import ModelNotFound, ProviderProtocolError, UnsupportedFeature
from app.domain.exchange import Exchange
from app.integrations.kit.upstream import Upstream
from app.wire.openai_chat import errors

PROVIDER = "hf-inference"

_JSON = (("content-type", "application/json"),)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)?")

_vectors = msgspec.json.Decoder(tuple[tuple[float, ...], ...])
_vectors_by_token = msgspec.json.Decoder(list[list[list[float]]])


async def embed(upstream: Upstream, exchange: Exchange[EmbeddingRequest]) -> EmbeddingResult:
    """`exchange.model`: as the Hub names it, with or without `:hf-inference`. Raises ModelNotFound,
    UnsupportedFeature for what this endpoint does not know, and what the router says.
    """
    model, request = exchange.model, exchange.request
    name = _repository(model)
    question = OutboundRequest(
        method="POST",
        path=f"/{PROVIDER}/models/{name}/pipeline/feature-extraction",
        headers=(*_JSON, *exchange.trace),
        body=msgspec.json.encode({"inputs": _texts(request)}),
    )
    refusal = partial(errors.decode, provider=upstream.name)
    async with aclosing(await upstream.ask(question, refusal, model=model)) as response:
        vectors = _read(await response.read(), name, upstream.name)
    if len(vectors) != len(request.inputs):
        raise _unreadable(upstream.name)
    return EmbeddingResult(model=model, vectors=vectors)


def _repository(model: str) -> str:
    name, _, provider = model.partition(":")
    if provider not in ("", PROVIDER):
        raise UnsupportedFeature(
            f"Embeddings come from '{PROVIDER}' here, not from '{provider[:50]}': use that provider's own kind.",
            param="model",
        )
    if not _NAME.fullmatch(name):
        raise ModelNotFound(f"'{name[:200]}' names no model of the Hub.", code="model_not_found", param="model")
    return name


def _texts(request: EmbeddingRequest) -> list[str]:
    if request.dimensions is not None:
        raise UnsupportedFeature("The length of the vectors can't be chosen here.", param="dimensions")
    texts = [each for each in request.inputs if isinstance(each, str)]
    if len(texts) != len(request.inputs):
        raise UnsupportedFeature("Texts can be embedded here, token ids can't.", param="input")
    return texts


def _read(body: bytes, model: str, provider: str) -> tuple[tuple[float, ...], ...]:
    try:
        return _vectors.decode(body)
    except msgspec.MsgspecError:
        pass
    try:
        _vectors_by_token.decode(body)
    except msgspec.MsgspecError:
        raise _unreadable(provider) from None
    raise UnsupportedFeature(
        f"'{model}' gives a vector for each token instead of one for a text; use a model for sentences.",
        param="model",
    )


def _unreadable(provider: str) -> ProviderProtocolError:
    return ProviderProtocolError(f"'{provider}' answered with something that is no embeddings.", provider=provider)
