"""Who calls: the one place where all front-ends turn a credential into a principal. Fails closed."""

import hashlib
import hmac

from app.accounts.accounts import Accounts, without_accounts
from app.accounts.keys.snapshot import Entry
from app.accounts.keys.text import PREFIX, is_key
from app.accounts.oidc.verifier import TokenVerifier, looks_like_token
from app.api.closed import defect, fails_closed
from app.api.refusals import Refusals
from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError, Unauthenticated
from app.domain.principal import Principal
from app.domain.roles import ROLES
from app.domain.roles import SCRAPER as SCRAPER_ROLE

OPERATOR = Principal(id="operator", roles=frozenset(ROLES))
LOCAL = Principal(id="local", roles=frozenset(ROLES))
SCRAPER = Principal(id="scraper", roles=frozenset({SCRAPER_ROLE}))
"""Whoever comes with the token for metrics."""


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
    """Knows the master key and the token for metrics by their digests only, and virtual keys by what `accounts`
    knows of them.

    `tokens` checks those of an identity provider. Without it and without a master key, whoever shows no virtual
    key is the local operator. That is safe only while nobody but this machine can connect, which app.bootstrap
    sees to.
    """

    def __init__(
        self,
        master_key: str | None,
        accounts: Accounts | None = None,
        tokens: TokenVerifier | None = None,
        refusals: Refusals | None = None,
        clock: Clock | None = None,
        metrics_token: str | None = None,
    ) -> None:
        self._has_master = bool(master_key)
        given = ((master_key, OPERATOR), (metrics_token, SCRAPER))
        self._fixed = tuple((_digest(key), who) for key, who in given if key)
        self._accounts = accounts or without_accounts()
        self._tokens = tokens
        self._refusals = refusals or Refusals()
        self._clock = clock or SystemClock()

    @property
    def open_to_all(self) -> bool:
        return not self._has_master and self._tokens is None

    @fails_closed
    def shown(self, authorization: str | None, api_key: str | None) -> str | None:
        """The `credential` of these headers, unchecked. Raises Unauthenticated where it can't be made out."""
        try:
            return credential(authorization, api_key)
        except Unauthenticated:
            self._refusals.note("bad header")
            raise

    async def authenticate(self, key: str | None) -> Principal:
        """Without waiting for anything where the key is known. Raises Unauthenticated, and Unavailable where it
        can't be told who calls: never is somebody let in for lack of an answer.
        """
        try:
            return await self._recognised(key)
        except PlatformError:
            raise
        except Exception:
            raise defect() from None

    async def _recognised(self, key: str | None) -> Principal:
        if key is not None:
            if key.startswith(PREFIX) and (entry := self._accounts.known(key)) is not None:
                return self._good(entry)
            if self._fixed and (found := self._of_the_settings(key)) is not None:
                return found
            if key.startswith(PREFIX):
                return await self._looked_up(key)
            if self._tokens is not None and looks_like_token(key):
                return self._tokens.known(key) or await self._checked(self._tokens, key)
        if self.open_to_all:
            return LOCAL
        if key is None:
            raise self._refused(
                "no key", "No API key was given: send it as 'Authorization: Bearer YOUR_KEY' or as 'x-api-key'."
            )
        raise self._refused("unknown key", "The API key is not known here.")

    def _of_the_settings(self, key: str) -> Principal | None:
        shown = _digest(key)
        for digest, who in self._fixed:
            if hmac.compare_digest(shown, digest):
                return who
        return None

    async def _looked_up(self, key: str) -> Principal:
        entry = await self._accounts.find(key) if is_key(key) else None
        if entry is None:
            raise self._refused("unknown key", "The API key is not known here.")
        return self._good(entry)

    async def _checked(self, tokens: TokenVerifier, token: str) -> Principal:
        try:
            return await tokens.principal(token)
        except Unauthenticated:
            self._refusals.note("bad token")
            raise

    def _good(self, entry: Entry) -> Principal:
        if entry.revoked:
            raise self._refused("revoked key", "The API key has been revoked.")
        if entry.until <= self._clock.now():
            raise self._refused("expired key", "The API key has expired.")
        return entry.principal

    def _refused(self, reason: str, message: str) -> Unauthenticated:
        self._refusals.note(reason)
        return _refusal(message)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _refusal(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="invalid_api_key")
