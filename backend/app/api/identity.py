"""Who calls: the one place where all front-ends turn a credential into a principal. Fails closed."""

import hashlib
import hmac

from app.domain.errors import PermissionDenied, Unauthenticated
from app.domain.principal import Principal

OPERATOR = Principal(id="operator", roles=frozenset({"user", "admin"}))
LOCAL = Principal(id="local", roles=frozenset({"user", "admin"}))


def credential(authorization: str | None, api_key: str | None) -> str | None:
    """The key that a caller sent as `Authorization: Bearer KEY` or as `x-api-key: KEY`; None without one.

    Raises Unauthenticated for another scheme, and for two keys that differ: which counts must never be a guess.
    """
    bearer: str | None = None
    if authorization:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise _refusal("The Authorization header must read 'Bearer YOUR_KEY'.")
        bearer = value.strip()
    if bearer and api_key and bearer != api_key:
        raise _refusal("Authorization and x-api-key hold different keys: send one of them.")
    return bearer or api_key or None


class Authenticator:
    """Knows the master key by its digest only. Without a key every caller is the local operator.

    That is safe only while nobody but this machine can connect, which app.bootstrap sees to.
    """

    def __init__(self, master_key: str | None) -> None:
        self._digest = _digest(master_key) if master_key else None

    @property
    def open_to_all(self) -> bool:
        return self._digest is None

    def authenticate(self, key: str | None) -> Principal:
        """Raises Unauthenticated."""
        if self._digest is None:
            return LOCAL
        if key is None:
            raise _refusal("No API key was given: send it as 'Authorization: Bearer YOUR_KEY' or as 'x-api-key'.")
        if not hmac.compare_digest(_digest(key), self._digest):
            raise _refusal("The API key is not known here.")
        return OPERATOR


def check_administrator(principal: Principal) -> None:
    """Raises PermissionDenied."""
    if "admin" not in principal.roles:
        raise PermissionDenied("This needs the role 'admin'.")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _refusal(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="invalid_api_key")
