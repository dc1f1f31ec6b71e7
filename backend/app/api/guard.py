"""Who may knock at all, before any key is looked at: this machine's own names, and pages of listed origins."""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from app.api.policy import ApiPolicy
from app.domain.errors import PermissionDenied, Unauthenticated

_CREDENTIALS = frozenset({b"authorization", b"x-api-key"})


def stranger(scope: Scope, headers: Mapping[bytes, bytes], policy: ApiPolicy) -> PermissionDenied | None:
    """Without a key, whoever can connect may do everything, and a web page in a local browser can connect.

    So he must connect from this machine, the Host must be its own name (against DNS rebinding), and the Origin,
    where there is one, too (against cross-site requests).
    """
    if not policy.authenticator.open_to_all:
        return None
    host = headers.get(b"host", b"localhost").decode("latin-1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not _is_here(scope.get("client")):
        what = "other machines"
    elif not _is_loopback(f"//{host}"):
        what = f"the Host '{host[:100]}'"
    elif origin and origin not in policy.origins and not _is_loopback(origin):
        what = f"the Origin '{origin[:100]}'"
    else:
        return None
    return PermissionDenied(
        f"Without an API key the platform answers this machine only, not {what}. "
        "Set LLM_PLATFORM_API_KEY, or list the origin in server.cors_origins."
    )


def unclear(scope: Scope, headers: Mapping[bytes, bytes]) -> Unauthenticated | None:
    """Of two credentials that differ none counts: which one does must never be a guess. `headers` has one of each
    name.
    """
    if len(headers) == len(scope["headers"]):
        return None
    for name, value in scope["headers"]:
        if name in _CREDENTIALS and value != headers[name]:
            message = f"'{name.decode()}' was sent with different values: send one."
            return Unauthenticated(message, code="invalid_api_key")
    return None


def foreign_page(headers: Mapping[bytes, bytes], policy: ApiPolicy) -> PermissionDenied | None:
    """Browsers let any page open a WebSocket anywhere: CORS, which guards the rest of HTTP, knows nothing of them.

    So a platform that has a key takes them from listed origins only; programs send no Origin.
    """
    origin = headers.get(b"origin")
    if origin is None or policy.authenticator.open_to_all or "*" in policy.origins:
        return None
    name = origin.decode("latin-1")
    if name in policy.origins:
        return None
    return PermissionDenied(
        f"Pages of the Origin '{name[:100]}' may not open a WebSocket here: list it in server.cors_origins."
    )


def _is_here(client: tuple[str, int] | None) -> bool:
    """Without an address he came by a Unix socket."""
    return client is None or not client[0] or client[0].startswith(("127.", "::ffff:127.")) or client[0] == "::1"


@lru_cache(maxsize=256)
def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    parts = name.split(".")
    return name in {"localhost", "::1"} or (
        len(parts) == 4 and parts[0] == "127" and all(part.isascii() and part.isdigit() for part in parts)
    )
