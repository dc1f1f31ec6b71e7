"""The provider's signing keys: found by discovery, kept for a while, asked for again when a token names another.

Only the addresses that the configuration and the issuer's own document give are ever asked; nothing in a token
leads anywhere.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.accounts.oidc.rules import OidcRules
from app.core.clock import Clock
from app.core.http import TransportSettings, create_transport, get_json
from app.domain.errors import PlatformError, ProviderProtocolError, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK

DISCOVERY = "/.well-known/openid-configuration"
FRESH_SECONDS = 300.0
"""After which the keys are asked for again, and waited for: one that the provider takes back is good no more."""

TRUST_SECONDS = 3600.0
"""For which they are good while the provider does not answer."""

PAUSE_SECONDS = 10.0
"""Between two questions for the sake of a token that names a key which nobody knows."""

MOST_BYTES = 1 << 20
_TIMES = TransportSettings(connect_timeout=5.0, first_byte_timeout=5.0, idle_timeout=5.0)
_KINDS = frozenset({"RSA", "EC", "OKP"})

Fetch = Callable[[str], Awaitable[object]]
logger = logging.getLogger(__name__)


class SigningKeys:
    def __init__(self, rules: OidcRules, clock: Clock, fetch: Fetch | None = None) -> None:
        self._rules = rules
        self._clock = clock
        self._fetch = fetch or fetched
        self._keys: list[Mapping[str, Any]] = []
        self._asked_at = self._fetched_at = self._failed_at = -inf
        self._asking: asyncio.Task[None] | None = None
        self._failing = False

    async def find(self, id: str | None, algorithm: str) -> "PyJWK | None":
        """None when the provider has no such key. Raises Unavailable when that can't be told."""
        if self._age() <= FRESH_SECONDS and (known := self._known(id, algorithm)) is not None:
            return known
        asking, away = self._ask_again(), self._away()
        if away and (known := self._trusted(id, algorithm)) is not None:
            return known
        if asking is not None:
            await asyncio.shield(asking)
        if (known := self._trusted(id, algorithm)) is not None:
            return known
        if asking is None or self._failing:
            raise Unavailable(
                "The identity provider can't be asked for the token's key now. Ask again.",
                code="identity_provider_unavailable",
                retry_after=PAUSE_SECONDS,
            )
        return None

    def _trusted(self, id: str | None, algorithm: str) -> "PyJWK | None":
        return self._known(id, algorithm) if self._age() <= TRUST_SECONDS else None

    def _away(self) -> bool:
        """Whether it did not answer lately, so that waiting for it again would keep everybody."""
        return self._failing and self._clock.monotonic() - self._failed_at <= FRESH_SECONDS

    def _age(self) -> float:
        return self._clock.monotonic() - self._fetched_at

    def _known(self, id: str | None, algorithm: str) -> "PyJWK | None":
        from jwt import PyJWK
        from jwt.exceptions import PyJWTError

        named = [key for key in self._keys if id is None or key.get("kid") == id]
        fitting = [key for key in named if key.get("alg") in {None, algorithm}]
        if len(fitting) != 1:
            return None  # which of several was meant must not be a guess
        try:
            return PyJWK(dict(fitting[0]), algorithm)
        except PyJWTError:
            return None  # of another kind than the algorithm that the token names

    def _ask_again(self) -> "asyncio.Task[None] | None":
        """The question that is under way, or a new one; None where the last is too short a time ago."""
        if self._asking is None and self._clock.monotonic() - self._asked_at >= PAUSE_SECONDS:
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    async def _ask(self) -> None:
        self._asked_at = began = self._clock.monotonic()
        try:
            self._keys = await self._asked()
            self._fetched_at = began
            self._note(None)
        except PlatformError as error:
            self._note(str(error))
        except Exception:
            logger.exception("defect while the signing keys were asked for")
            self._note("a defect")
        finally:
            self._asking = None

    async def _asked(self) -> list[Mapping[str, Any]]:
        url = self._rules.jwks_url
        if url is None:
            document = await self._fetch(self._rules.issuer.rstrip("/") + DISCOVERY)
            url = _jwks_url(document, self._rules.issuer)
        answer = await self._fetch(url)
        keys = answer.get("keys") if isinstance(answer, dict) else None
        if not isinstance(keys, list):
            raise _strange("its signing keys are no JSON Web Key Set")
        return [key for key in keys if _signs(key)]

    def _note(self, trouble: str | None) -> None:
        if trouble is not None:
            self._failed_at = self._clock.monotonic()
        if trouble is not None and not self._failing:
            logger.warning("the identity provider's signing keys are not to be had: %s", trouble)
        elif trouble is None and self._failing:
            logger.info("the identity provider's signing keys are to be had again")
        self._failing = trouble is not None


async def fetched(url: str) -> object:
    """The JSON there. Redirects are not followed."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    transport = create_transport(name="oidc", base_url=f"{parts.scheme}://{parts.netloc}", settings=_TIMES)
    try:
        return await get_json(transport, path, limit=MOST_BYTES)
    finally:
        await transport.aclose()


def is_safe(url: str) -> bool:
    """Whether what comes from there can be believed: by TLS, or since it does not leave this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE))


_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def _jwks_url(document: object, issuer: str) -> str:
    """Raises ProviderProtocolError for a document that is another issuer's."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise _strange("its discovery document does not name it as the issuer")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not is_safe(url):
        raise _strange("its discovery document has no jwks_uri with https")
    return url


def _signs(key: object) -> bool:
    """Whether it is a public key for signatures; one that both sides hold never is."""
    return isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig"


def _strange(what: str) -> ProviderProtocolError:
    return ProviderProtocolError(f"{what}.", provider="oidc")
