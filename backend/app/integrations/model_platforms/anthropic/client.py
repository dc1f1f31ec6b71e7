"""The client's half of the Messages API: messages, and counting their tokens.

A request that came in this format leaves as the bytes that came, with the caller's own version of the API, and its
answer comes back as Opaque events. Any other is made fit for the model and encoded, and its answer decoded.
"""

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import msgspec

from app.core.http import InboundResponse, OutboundRequest
from app.domain.chat import ChatRequest
from app.domain.errors import ProviderProtocolError
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.streams import explode
from app.integrations.kit.answers import AnswerFormat, answer
from app.integrations.kit.refused import drop
from app.integrations.kit.upstream import Upstream
from app.integrations.model_platforms.anthropic.relay import look, relay
from app.integrations.model_platforms.anthropic.settings import BETA
from app.wire import call_ids
from app.wire.anthropic_messages import FORMAT, errors, request, response
from app.wire.anthropic_messages.native import Profile, native
from app.wire.anthropic_messages.stream import StreamDecoder

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_JSON = ("content-type", "application/json")
# What a message may have and a count may not: https://platform.claude.com/docs/en/api/messages/count_tokens
_UNCOUNTED = frozenset(
    {
        *("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata"),
        *("service_tier", "container", "inference_geo", "diagnostics"),
    }
)

ANSWER = AnswerFormat(
    name=FORMAT,
    decode=lambda body, provider: explode(response.decode(body, provider, created=int(time.time()))),
    decoder=lambda provider: StreamDecoder(provider, created=int(time.time())),
    look=look,
    relay=relay,
)


class _Count(msgspec.Struct):
    input_tokens: int


class MessagesClient:
    """`profile` tells how a model is to be asked. `beta`: the operator's anthropic-beta; a caller's own is added.
    `patience`: seconds for a count.
    """

    def __init__(
        self, upstream: Upstream, profile: Callable[[str], Profile], *, beta: str, patience: float
    ) -> None:
        self._upstream = upstream
        self._decode_error = partial(errors.decode, provider=upstream.name)
        self._profile = profile
        self._beta = beta
        self._patience = patience

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        """Returns on the head of a good answer. Raises what any other means, and what the transport raises."""
        body = exchange.body_as(FORMAT)
        untouched = body is not None
        opened = await self._open(MESSAGES, body or self._encoded(exchange), exchange)
        return await answer(opened, ANSWER, self._upstream.name, stream=exchange.stream, untouched=untouched)

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        body = drop(exchange.body_as(FORMAT) or self._encoded(exchange), _UNCOUNTED)
        async with aclosing(await self._open(COUNT_TOKENS, body, exchange, self._patience)) as opened:
            counted = await opened.read()
        try:
            return msgspec.json.decode(counted, type=_Count).input_tokens
        except (msgspec.MsgspecError, UnicodeDecodeError):
            name = self._upstream.name
            raise ProviderProtocolError(f"'{name}' did not count the tokens.", provider=name) from None

    async def _open(
        self, path: str, body: bytes, exchange: Exchange[ChatRequest], patience: float | None = None
    ) -> InboundResponse:
        asked = OutboundRequest(
            method="POST",
            path=path,
            headers=self._headers(exchange),
            body=call_ids.without_signatures(body),
            first_byte_timeout=patience,
        )
        return await self._upstream.ask(asked, self._decode_error, model=exchange.model)

    def _headers(self, exchange: Exchange[ChatRequest]) -> tuple[tuple[str, str], ...]:
        own = exchange.encoded.headers if exchange.encoded and exchange.encoded.format == FORMAT else ()
        if self._beta:
            own = tuple((name, f"{self._beta},{value}" if name == BETA else value) for name, value in own)
        ids = (("x-request-id", exchange.request_id),) if exchange.request_id else ()
        return (_JSON, *ids, *exchange.trace, *own)

    def _encoded(self, exchange: Exchange[ChatRequest]) -> bytes:
        fit = native(exchange.request, self._profile(exchange.model), exchange.dropped)
        addressed = msgspec.structs.replace(fit, model=exchange.model, stream=exchange.stream)
        return request.encode(addressed, dropped=exchange.dropped)
