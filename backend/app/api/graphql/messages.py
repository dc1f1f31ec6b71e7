"""The messages that a client of graphql-transport-ws sends."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.asgi import sent_key
from app.api.graphql.limits import ID_CHARACTERS
from app.api.graphql.wire import Operation
from app.api.policy import ApiPolicy
from app.domain.errors import InvalidRequest, Unauthenticated
from app.wire.json_limits import check_depth
from app.wire.json_text import decode_request

PROTOCOL = "graphql-transport-ws"


class Init(msgspec.Struct, frozen=True, tag="connection_init"):
    payload: dict[str, Any] | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    pass


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    pass


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    id: str
    payload: Operation


class Complete(msgspec.Struct, frozen=True, tag="complete"):
    id: str


ClientMessage = Init | Ping | Pong | Subscribe | Complete
_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


def decode(text: str, depth: int) -> ClientMessage:
    """Raises InvalidRequest."""
    body = text.encode()
    check_depth(body, depth)
    try:
        message = decode_request(_decoder, body)
    except InvalidRequest as error:
        raise InvalidRequest(f"This is no message of {PROTOCOL}: {error.message}", param=error.param) from None
    if isinstance(message, Subscribe) and not 0 < len(message.id) <= ID_CHARACTERS:
        raise InvalidRequest(f"An id has 1 to {ID_CHARACTERS} characters.")
    return message


def credential_of(headers: Mapping[bytes, bytes], payload: Mapping[str, Any], policy: ApiPolicy) -> str | None:
    """The key in the handshake's headers or in the payload of connection_init, under the same names. Raises
    Unauthenticated, also for two keys that differ.
    """
    named = {name.lower(): value for name, value in payload.items()}
    found = {
        sent_key(headers, policy),
        policy.authenticator.shown(_text(named.get("authorization")), _text(named.get("x-api-key"))),
    } - {None}
    if len(found) > 1:
        raise Unauthenticated("The handshake and connection_init hold different keys.", code="invalid_api_key")
    return found.pop() if found else None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Unauthenticated("A key in connection_init must be text.", code="invalid_api_key")
