"""How many tokens a chat is to a server's model, by the server's own template and tokenizer; nothing is generated.

Which ways of asking a server knows is data: Vendor.counting.
"""

from collections.abc import Mapping

import msgspec

from app.core.http import Transport, post_json
from app.domain.chat import ChatRequest
from app.domain.errors import PlatformError, ProviderProtocolError, UnsupportedFeature
from app.domain.exchange import Exchange
from app.integrations.kit.listing import at
from app.integrations.kit.openai_formats import CHAT
from app.integrations.model_platforms.openai_compatible.vendor import Counting, Vendor
from app.wire.openai_chat import errors

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Within a text of valid JSON the quotes would be escaped.
MEDIA = (b'"image_url"', b'"input_audio"', b'"video_url"')


async def count(transport: Transport, vendor: Vendor, exchange: Exchange[ChatRequest], patience: float) -> int:
    """Ways are tried in turn, as older servers lack some. Raises UnsupportedFeature when none is left; what the
    server refuses, and UpstreamError.
    """
    body = exchange.body_as(CHAT.name)
    if body is None:
        body = CHAT.encode(exchange, vendor.profile)
    asking = _Asking(transport, vendor, patience)
    for way in vendor.counting:
        if way.template is not None and any(mark in body for mark in MEDIA):
            continue  # a picture is one mark in a template, and many tokens in the prompt
        try:
            return await asking.count(way, body)
        except UnsupportedFeature:
            continue
    raise UnsupportedFeature(f"'{transport.name}' can't count the tokens of this request.")


class _Asking:
    def __init__(self, transport: Transport, vendor: Vendor, patience: float) -> None:
        self._transport = transport
        self._vendor = vendor
        self._patience = patience

    async def count(self, way: Counting, body: bytes) -> int:
        chat = _object.decode(body)
        question: Mapping[str, object] = chat
        if way.fields is not None:
            question = {name: value for name, value in chat.items() if name in way.fields}
        if way.template is not None:
            prompt = at(await self._ask(way.template, question), "prompt")
            question = {"model": chat.get("model"), **way.constants, way.text: prompt}
        told = at(await self._ask(way.path, question), way.answer)
        if isinstance(told, list):
            return len(told)
        if isinstance(told, int):
            return told
        provider = self._transport.name
        raise ProviderProtocolError(f"'{provider}' counts tokens in an unknown form.", provider=provider)

    async def _ask(self, path: str, question: object) -> object:
        return await post_json(
            self._transport,
            self._vendor.locate(path),
            question,
            decode_error=self._error,
            first_byte_timeout=self._patience,
        )

    def _error(self, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        return errors.decode(status, headers, body, self._transport.name)
