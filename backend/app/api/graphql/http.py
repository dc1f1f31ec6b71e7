"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/

POST only; a browser's GET gets GraphiQL.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import Receive, Scope, Send
from strawberry.types.graphql import OperationType

from app.api.asgi import (
    ClientGone,
    error_headers,
    headers_of,
    read_body,
    request_id,
    sent_key,
    sent_trace,
)
from app.api.graphql import wire
from app.api.graphql.errors import describe_refusal, status
from app.api.head import Headers
from app.api.leaving import UntilDisconnect
from app.domain.errors import Cancelled, InternalError, InvalidRequest, PlatformError

if TYPE_CHECKING:
    from app.api.graphql.engine import Engine

logger = logging.getLogger(__name__)

_HERE = frozenset({OperationType.QUERY, OperationType.MUTATION})
_PLAIN = b"application/json"
_OWN = b"application/graphql-response+json"


async def serve(engine: "Engine", scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    headers = headers_of(scope)
    id = request_id(headers)
    respond = _Response(send, id, _OWN if _OWN in headers.get(b"accept", b"") else _PLAIN)
    try:
        if scope["method"] == "GET" and engine.graphiql and b"text/html" in headers.get(b"accept", b""):
            await respond.page(engine.graphiql)
        elif refusal := _refusal(scope["method"], headers):
            await respond.refuse(*refusal)
        else:
            await _run(engine, headers, receive, respond)
    except (ClientGone, Cancelled):
        logger.debug("request %s: the client left", id)
    except PlatformError as error:
        await respond.refuse(error, status(error))
    except Exception:
        logger.exception("request %s: defect", id)
        await respond.refuse(InternalError("The platform failed unexpectedly; its log tells more."), 500)


def _refusal(method: str, headers: Mapping[bytes, bytes]) -> tuple[PlatformError, int, Headers] | None:
    """A form cannot send JSON without asking first, so pages of other origins cannot post here."""
    if method != "POST":
        return (
            InvalidRequest("Send GraphQL by POST; subscriptions by WebSocket.", code="method_not_allowed"),
            405,
            [(b"allow", b"POST")],
        )
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != _PLAIN:
        return InvalidRequest("Send application/json.", code="unsupported_media_type"), 415, []
    return None


async def _run(engine: "Engine", headers: Mapping[bytes, bytes], receive: Receive, respond: "_Response") -> None:
    policy = engine.api.policy()
    asked = await engine.asked(sent_key(headers, policy), respond.id)
    asked.trace = sent_trace(headers)
    operation = wire.decode(await read_body(headers, receive, policy.body_bytes), policy.json_depth)
    async with UntilDisconnect(receive):
        async with engine.results(operation, asked, _HERE) as results:
            result = await anext(results)
        await respond.answer(wire.answer(result, respond.id), wire.refused(result))


class _Response:
    def __init__(self, send: Send, id: str, media_type: bytes) -> None:
        self.id = id
        self._send = send
        self._media_type = media_type

    async def answer(self, told: dict[str, Any], refused: bool) -> None:
        """In plain JSON an answer to a well-formed request is 200, whatever happened; in GraphQL's own type a
        document that was refused is 400.
        """
        await self._body(400 if refused and self._media_type == _OWN else 200, told)

    async def refuse(self, error: PlatformError, code: int, headers: Headers | None = None) -> None:
        told = {"errors": [describe_refusal(error, self.id)]}
        await self._body(code, told, [*error_headers(error), *(headers or [])])

    async def page(self, html: bytes) -> None:
        await self._bytes(200, b"text/html; charset=utf-8", html, [])

    async def _body(self, code: int, told: dict[str, Any], headers: Headers | None = None) -> None:
        await self._bytes(code, self._media_type, msgspec.json.encode(told), headers or [])

    async def _bytes(self, code: int, media_type: bytes, body: bytes, headers: Headers) -> None:
        own = [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": code, "headers": [*own, *headers]})
        await self._send({"type": "http.response.body", "body": body})
