"""The three paths as ASGI applications: who may open a socket, and what it is then for."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import check_access
from app.api.asgi import CLOSES_ITSELF, deny_websocket, headers_of, send_json, sent_key, sent_trace
from app.api.context import ApiContext
from app.api.websocket.chat import NAME, ChatSession
from app.api.websocket.feeds import METRICS_SECONDS, FeedSession, metric_frames, model_frames
from app.api.websocket.front_end import WebSocketApi
from app.api.websocket.outbox import Outbox
from app.api.websocket.socket import Session, Socket, stopping
from app.domain.errors import InvalidRequest, NotFound, PlatformError, Unauthenticated
from app.wire.openai_chat import errors

AUTH_SECONDS = 10.0
"""For the auth frame of a socket whose handshake had no key."""

_KEY_NAMES = frozenset({"key", "apikey", "xapikey", "token", "accesstoken", "auth", "authorization", "bearer"})


def websocket_endpoints(
    context: ApiContext, *, patience: float = AUTH_SECONDS, metrics_seconds: float = METRICS_SECONDS
) -> Mapping[str, ASGIApp]:
    """By path."""

    def models(socket: Socket) -> Session:
        return FeedSession(model_frames(context, socket.principal), socket)

    def metrics(socket: Socket) -> Session:
        return FeedSession(metric_frames(context, metrics_seconds), socket)

    def chat(socket: Socket) -> Session:
        return ChatSession(context, socket)

    sessions = {"/ws/chat": chat, "/ws/models": models, "/ws/metrics": metrics}
    return {path: Endpoint(path, context, session, patience) for path, session in sessions.items()}


class Endpoint:
    def __init__(
        self, path: str, context: ApiContext, session: Callable[[Socket], Session], patience: float
    ) -> None:
        self._route = f"WebSocket {path}"
        self._context = context
        self._session = session
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await _tell_to_upgrade(send)
            return
        await receive()
        try:
            front_end, key = self._front_end(), await self._key(scope)
        except PlatformError as error:
            await deny_websocket(send, error)
            return
        scope["state"][CLOSES_ITSELF] = True
        socket = Socket(self._route, receive, Outbox(send), self._context.policy, key, self._patience)
        socket.trace = sent_trace(headers_of(scope))
        with front_end.holding(socket):
            await send({"type": "websocket.accept"})
            await socket.run(self._session(socket))

    def _front_end(self) -> WebSocketApi:
        """Raises NotFound, Overloaded."""
        self._context.check_serving(NAME)
        front_end = self._context.manager.get_integration(NAME)
        if not isinstance(front_end, WebSocketApi):
            raise NotFound("WebSockets are served by something else.", code="front_end_off")
        if front_end.stopping:
            raise stopping()
        return front_end

    async def _key(self, scope: Scope) -> str | None:
        """The key in the headers, checked; None when it is still to come. Raises what checking it raises."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any(name.lower().replace("-", "").replace("_", "") in _KEY_NAMES for name, _ in query):
            raise Unauthenticated(
                "A key in the URL ends up in logs: send it in the Authorization header, or in a first frame "
                '{"type": "auth", "key": "YOUR_KEY"}. Take this one out of use if the URL was seen.',
                code="key_in_url",
            )
        policy = self._context.policy()
        key = sent_key(headers_of(scope), policy)
        if key is not None:
            check_access(await policy.authenticator.authenticate(key), self._route)
        return key


async def _tell_to_upgrade(send: Send) -> None:
    _, body = errors.encode(InvalidRequest("This URL takes a WebSocket.", code="not_a_websocket"))
    await send_json(send, 426, body, [(b"upgrade", b"websocket")])
