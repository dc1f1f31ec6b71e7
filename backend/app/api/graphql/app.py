"""The ASGI application of /graphql. It asks for the running engine at every request, so it is cheap to have."""

from starlette.types import Receive, Scope, Send

from app.api.asgi import deny_websocket, send_json
from app.api.context import ApiContext
from app.api.graphql.front_end import FRONT_END, GraphQLApi
from app.domain.errors import NotFound
from app.wire.openai_chat import errors

PATH = "/graphql"


class GraphQLApp:
    """HTTP and WebSocket; 404 for both while the front-end is switched off."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            engine = await self._front_end().engine()
        except NotFound as error:
            await _refuse(scope, receive, send, error)
            return
        serve = engine.http if scope["type"] == "http" else engine.socket
        await serve(scope, receive, send)

    def _front_end(self) -> GraphQLApi:
        self._context.check_serving(FRONT_END)
        front_end = self._context.manager.get_integration(FRONT_END)
        assert isinstance(front_end, GraphQLApi)
        return front_end


async def _refuse(scope: Scope, receive: Receive, send: Send, error: NotFound) -> None:
    if scope["type"] == "websocket":
        await receive()
        await deny_websocket(send, error)
    else:
        status, body = errors.encode(error)
        await send_json(send, status, body, [])
