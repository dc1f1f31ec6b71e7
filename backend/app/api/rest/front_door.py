"""The outermost ASGI step: guard a keyless platform, answer browsers' CORS, send the hot paths past FastAPI."""

from collections.abc import Callable, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.asgi import deny_websocket, headers_of, send_json
from app.api.guard import foreign_page, stranger, unclear
from app.api.lane import take_lane
from app.api.policy import ApiPolicy
from app.api.rest.named import Named
from app.wire.openai_chat import errors

_EXPOSED = (
    "x-request-id",
    "request-id",
    "x-llm-token-count",
    "openai-processing-ms",
    "x-llm-provider",
    "x-llm-attempts",
    "x-llm-overhead-ms",
    "x-llm-queue-ms",
    "x-llm-cache",
    "idempotent-replayed",
    "retry-after",
)


class FrontDoor:
    """`hot` maps exact paths to raw endpoints that take POST, `mounts` exact paths to other front-ends; everything
    else goes to `rest`.
    """

    def __init__(
        self,
        hot: Mapping[str, ASGIApp],
        rest: ASGIApp,
        policy: Callable[[], ApiPolicy],
        mounts: Mapping[str, ASGIApp],
    ) -> None:
        self._hot = hot
        self._mounts = mounts
        self.rest = rest
        self._named = Named(rest)
        self._policy = policy
        self._cors: tuple[tuple[str, ...], ASGIApp] = ((), self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._beside_http(scope, receive, send)
            return
        policy = self._policy()
        headers = headers_of(scope)
        if refusal := stranger(scope, headers, policy) or unclear(scope, headers):
            status, body = errors.encode(refusal)
            await send_json(send, status, body, [])
        elif b"origin" in headers and policy.origins:
            take_lane(scope)
            await self._with_cors(policy.origins)(scope, receive, send)
        else:
            await self._route(scope, receive, send)

    async def _beside_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every WebSocket passes the same guard, whichever front-end it is for."""
        if scope["type"] != "websocket":
            await self.rest(scope, receive, send)
            return
        policy, headers = self._policy(), headers_of(scope)
        refusal = stranger(scope, headers, policy) or unclear(scope, headers) or foreign_page(headers, policy)
        if refusal is not None:
            await deny_websocket(send, refusal)
        else:
            await (self._mounts.get(scope["path"]) or self.rest)(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        endpoint = self._hot.get(path) if scope["method"] == "POST" else None
        if endpoint is None:
            take_lane(scope)
            endpoint = self._mounts.get(path, self._named)
        await endpoint(scope, receive, send)

    def _with_cors(self, origins: tuple[str, ...]) -> ASGIApp:
        if self._cors[0] != origins:
            app = CORSMiddleware(
                self._route,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=_EXPOSED,
            )
            self._cors = (origins, app)
        return self._cors[1]
