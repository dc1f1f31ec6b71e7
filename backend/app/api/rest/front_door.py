"""The outermost ASGI step: guard a keyless platform, answer browsers' CORS, send the hot paths past FastAPI."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.policy import ApiPolicy
from app.api.rest.asgi import headers_of, send_json
from app.domain.errors import PermissionDenied
from app.wire.openai_chat import errors

_EXPOSED = (
    "x-request-id",
    "openai-processing-ms",
    "x-llm-provider",
    "x-llm-attempts",
    "x-llm-overhead-ms",
    "retry-after",
)


class FrontDoor:
    """`hot` maps exact paths to raw endpoints that take POST; everything else goes to `rest`."""

    def __init__(self, hot: Mapping[str, ASGIApp], rest: ASGIApp, policy: Callable[[], ApiPolicy]) -> None:
        self._hot = hot
        self.rest = rest
        self._policy = policy
        self._cors: tuple[tuple[str, ...], ASGIApp] = ((), self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        policy = self._policy()
        headers = headers_of(scope)
        if policy.authenticator.open_to_all and (refusal := _stranger(headers, policy)):
            status, body = errors.encode(refusal)
            await send_json(send, status, body, [])
        elif b"origin" in headers and policy.origins:
            await self._with_cors(policy.origins)(scope, receive, send)
        else:
            await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._hot.get(scope["path"]) if scope["method"] == "POST" else None
        await (endpoint or self.rest)(scope, receive, send)

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


def _stranger(headers: Mapping[bytes, bytes], policy: ApiPolicy) -> PermissionDenied | None:
    """Without a key, whoever can connect may do everything, and a web page in a local browser can connect.

    So the Host must be this machine's own name (against DNS rebinding), and the Origin, where there is one, too
    (against cross-site requests).
    """
    host = headers.get(b"host", b"localhost").decode("latin-1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not _is_loopback(f"//{host}"):
        what = f"the Host '{host[:100]}'"
    elif origin and origin not in policy.origins and not _is_loopback(origin):
        what = f"the Origin '{origin[:100]}'"
    else:
        return None
    return PermissionDenied(
        f"Without an API key the platform answers this machine only, not {what}. "
        "Set LLM_PLATFORM_API_KEY, or list the origin in server.cors_origins."
    )


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    parts = name.split(".")
    return name in {"localhost", "::1"} or (
        len(parts) == 4 and parts[0] == "127" and all(part.isascii() and part.isdigit() for part in parts)
    )
