"""The four hot endpoints of the OpenAI dialect, as data for InferenceEndpoint."""

from collections.abc import Callable
from functools import partial
from typing import Any

from app.api.rest.inference import Dialect, StreamEncoder
from app.api.rest.openai.switch import FRONT_END
from app.domain.chat import ChatResult
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InternalError
from app.domain.events import EventStream
from app.domain.streams import collect
from app.wire import openai_embeddings, rerank
from app.wire.openai_chat import errors
from app.wire.openai_chat import request as chat_request
from app.wire.openai_chat import response as chat_response
from app.wire.openai_chat.stream_encoder import StreamEncoder as ChatStreamEncoder
from app.wire.openai_completions import request as completion_request
from app.wire.openai_completions import response as completion_response
from app.wire.openai_completions.stream import StreamEncoder as CompletionStreamEncoder


async def _fold(encode: Callable[[ChatResult], bytes], head: object, stream: EventStream) -> bytes:
    return encode(await collect(stream))


async def _fold_embeddings(head: openai_embeddings.EmbeddingHead, stream: EventStream) -> bytes:
    found = [event async for event in stream if isinstance(event, EmbeddingResult)]
    if not found:
        raise InternalError("The answer held no embeddings.")
    return openai_embeddings.encode_response(found[0], head.encoding)


def _no_stream(head: Any) -> StreamEncoder:
    raise InternalError("Neither embeddings nor rankings stream.")


async def _no_fold(head: object, stream: EventStream) -> bytes:
    raise InternalError("The answer held no ranking.")


CHAT = Dialect(
    name=FRONT_END,
    operation="chat",
    format=chat_request.FORMAT,
    look=chat_request.peek.look,
    decode=chat_request.decode,
    splice=chat_request.splice,
    fold=partial(_fold, chat_response.encode),
    encoder=lambda head: ChatStreamEncoder(include_usage=head.include_usage),
    error=errors.encode,
)
COMPLETIONS = Dialect(
    name=FRONT_END,
    operation="text_completion",
    format=completion_request.FORMAT,
    look=completion_request.peek.look,
    decode=completion_request.decode,
    splice=completion_request.splice,
    fold=partial(_fold, completion_response.encode),
    encoder=lambda head: CompletionStreamEncoder(include_usage=head.include_usage),
    error=errors.encode,
)
EMBEDDINGS = Dialect(
    name=FRONT_END,
    operation="embeddings",
    format=openai_embeddings.FORMAT,
    look=openai_embeddings.peek.look,
    decode=openai_embeddings.decode,
    splice=openai_embeddings.splice,
    fold=_fold_embeddings,
    encoder=_no_stream,
    error=errors.encode,
)
RERANK = Dialect(
    name=FRONT_END,
    operation="rerank",
    format=rerank.FORMAT,
    look=rerank.peek.look,
    decode=rerank.decode,
    splice=rerank.splice,
    fold=_no_fold,
    encoder=_no_stream,
    error=errors.encode,
)
PATHS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/rerank": RERANK,
    "/v2/rerank": RERANK,  # Cohere's clients ask there
}
