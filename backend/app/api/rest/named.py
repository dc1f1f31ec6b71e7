"""Requests of the routes beside the hot ones have a name, too: in the answer's headers, the audit log, the log."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.asgi import headers_of, request_id

_HEADER = b"x-request-id"


class Named:
    """`app`, which finds the request's id in its headers, as if the caller had sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = (_HEADER, request_id(headers_of(scope)).encode())
        scope["headers"] = [*(each for each in scope["headers"] if each[0] != _HEADER), named]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start" and _HEADER not in dict(message["headers"]):
                message["headers"] = [*message["headers"], named]
            await send(message)

        await self._app(scope, receive, telling)
