"""The one look at a request that the platform itself needs: same-format traffic is decoded no further."""

from typing import Annotated, Generic, TypeVar

import msgspec

from app.domain.errors import InvalidRequest
from app.domain.exchange import Places
from app.wire.json_text import decode_request
from app.wire.top_level import refuse_ambiguous

ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Positive = Annotated[int, msgspec.Meta(ge=1)]

H = TypeVar("H", bound="Head")


class Head(msgspec.Struct, gc=False, kw_only=True):
    model: ModelName


class StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class Peek(Generic[H]):
    """A format's `peek`: `head` says which fields it reads.

    `names` are the fields whose meaning a provider must see as the gateway did, each in its quotes.
    """

    def __init__(self, head: type[H], *names: bytes) -> None:
        self._decoder = msgspec.json.Decoder(head)
        self._names = names

    def __call__(self, body: bytes) -> H:
        """Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
        return self.look(body)[0]

    def look(self, body: bytes) -> tuple[H, Places | None]:
        """The places come with it where `body` had to be looked through for them."""
        head = decode_request(self._decoder, body)
        places = refuse_ambiguous(body, self._names)
        if not head.model.isprintable():
            raise InvalidRequest("'model' holds characters that no name has.", param="model", code="invalid_value")
        return head, places
