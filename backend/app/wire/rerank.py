"""Reranking, as Jina has it, and with it vLLM, llama.cpp, LocalAI and others: https://jina.ai/reranker/

Whoever ranks speaks this format, so answers are handed on and never decoded. Errors are those of
app.wire.openai_chat.errors.
"""

from typing import Any

import msgspec

from app.domain.errors import ProviderProtocolError
from app.domain.rerank import RerankRequest
from app.domain.usage import Usage
from app.wire.fields import RequestFields
from app.wire.head import Head, Peek, Positive
from app.wire.json_text import parse_request
from app.wire.openai_chat.upstream_errors import raise_error_object
from app.wire.splice import splice

__all__ = ["FORMAT", "RerankHead", "decode", "encode", "peek", "read_usage", "splice"]

FORMAT = "rerank"


class RerankHead(Head, gc=False, kw_only=True):
    """The fields that routing, limits and accounting look at; only their types are checked."""

    query: str
    documents: list[str | dict[str, Any]]
    top_n: Positive | None = None
    return_documents: bool | None = None

    @property
    def stream(self) -> bool:
        return False


peek = Peek(RerankHead, b'"model"', b'"query"', b'"documents"', b'"top_n"')


def decode(body: bytes) -> RerankRequest:
    """A request; a document is a text, or an object with a `text`. Raises InvalidRequest, with `param`."""
    fields = RequestFields(parse_request(body))
    return RerankRequest(
        model=fields.required_text("model"),
        query=fields.required_text("query"),
        documents=_documents(fields),
        top_n=fields.integer("top_n"),
        return_documents=fields.rest.get("return_documents") is True,
    )


def _documents(fields: RequestFields) -> tuple[str, ...]:
    value = fields.rest.pop("documents", None)
    told = value if type(value) is list else []
    given = [each.get("text") if isinstance(each, dict) else each for each in told]
    texts = [each for each in given if isinstance(each, str)]
    if not texts or len(texts) < len(given):
        raise fields.wrong("documents", "an array of strings, or of objects with a `text`; not an empty array")
    return tuple(texts)


def encode(request: RerankRequest) -> bytes:
    return msgspec.json.encode(request)


class _Figures(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct, gc=False):
    usage: _Figures | None = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer)


def read_usage(body: bytes, provider: str) -> Usage | None:
    """Of an answer. Raises the error that it holds, and ProviderProtocolError for what is none."""
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise ProviderProtocolError(f"'{provider}' answered no ranking.", provider=provider) from None
    if answer.error is not None:
        raise_error_object({"error": answer.error}, provider)
    if answer.usage is None:
        return None
    return Usage(input_tokens=answer.usage.prompt_tokens or answer.usage.total_tokens or 0)
