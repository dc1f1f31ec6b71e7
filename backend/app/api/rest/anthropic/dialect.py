"""POST /v1/messages as a Dialect of the hot endpoint.

A provider that speaks the format gets the caller's bytes; for every other the request is made portable first.
"""

from app.api.limit_headers import anthropic_headers
from app.api.rest.inference import Dialect
from app.domain.chat import ChatRequest
from app.domain.events import EventStream
from app.domain.streams import collect
from app.wire.anthropic_messages import errors, request, response
from app.wire.anthropic_messages.block_writer import PING
from app.wire.anthropic_messages.portable import portable
from app.wire.anthropic_messages.stream_encoder import StreamEncoder

FRONT_END = "anthropic_api"
PATH = "/v1/messages"
KEPT_HEADERS = (b"anthropic-version", b"anthropic-beta")


def decode(body: bytes) -> ChatRequest:
    """Raises InvalidRequest, UnsupportedFeature."""
    return portable(request.decode(body))


async def _fold(head: request.MessageHead, stream: EventStream) -> bytes:
    return response.encode(await collect(stream))


MESSAGES = Dialect(
    name=FRONT_END,
    operation="chat",
    format=request.FORMAT,
    look=request.peek.look,
    decode=decode,
    splice=request.splice,
    fold=_fold,
    encoder=lambda head: StreamEncoder(),
    error=errors.encode,
    silence=PING,
    id_header=b"request-id",
    with_id=errors.with_request_id,
    kept_headers=KEPT_HEADERS,
    limit_headers=anthropic_headers,
)
