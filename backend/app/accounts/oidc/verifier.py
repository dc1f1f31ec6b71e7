"""Checks tokens: the signature by the provider's key, then every claim. Nothing of a token is believed before."""

import asyncio
import hashlib
from importlib import import_module
from typing import Any

from app.accounts.oidc.claims import principal_of
from app.accounts.oidc.rules import OidcRules
from app.accounts.oidc.signing_keys import Fetch, SigningKeys
from app.core.clock import Clock, SystemClock
from app.domain.errors import Unauthenticated
from app.domain.principal import Principal

LONGEST_TOKEN = 16 * 1024
MOST_KNOWN = 10_000
KNOWN_SECONDS = 300.0
"""For which a checked token is not checked again: a key that the provider takes back is forgotten by then."""

_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


def looks_like_token(text: str) -> bool:
    """Three parts, the first of which is a JSON object in base64."""
    return text.startswith("eyJ") and text.count(".") == 2


class TokenVerifier:
    def __init__(self, rules: OidcRules, clock: Clock | None = None, fetch: Fetch | None = None) -> None:
        self.rules = rules
        self._clock = clock or SystemClock()
        self._keys = SigningKeys(rules, self._clock, fetch)
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._jwt: Any = None

    def known(self, token: str) -> Principal | None:
        """By a digest of the whole token; None where it must be checked."""
        found = self._known.get(_digest(token))
        if found is None or found[1] <= self._clock.now():
            return None
        return found[0]

    async def principal(self, token: str) -> Principal:
        """Raises Unauthenticated, and Unavailable where the provider's keys are not to be had."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise _refusal("The token is not one that can be read here.")
        if (jwt := self._jwt) is None:
            jwt = self._jwt = await asyncio.to_thread(import_module, "jwt")
        algorithm, key_id = self._announced(jwt, token)
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise _refusal("The token is not signed with a key of the identity provider.")
        claims = self._checked(jwt, token, key, algorithm)
        principal = principal_of(claims, self.rules)
        self._remember(token, principal, float(claims["exp"]))
        return principal

    def _announced(self, jwt: Any, token: str) -> tuple[str, str | None]:
        """The algorithm, which must be one that the configuration allows, and which key is said to have signed."""
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise _refusal("The token is not one that can be read here.") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in self.rules.algorithms:
            raise _refusal("The token is signed by an algorithm that is not taken here.")
        if issuer != self.rules.issuer:  # before anybody is asked for its sake
            raise _refusal("The token was issued by another identity provider.")
        return algorithm, key_id if isinstance(key_id, str) else None

    def _checked(self, jwt: Any, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=list(self.rules.audience),
                issuer=self.rules.issuer,
                leeway=self.rules.skew,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise _refusal("The token has expired.") from None
        except jwt.InvalidAudienceError:
            raise _refusal("The token was issued for something else: its audience is not this platform.") from None
        except jwt.PyJWTError as error:
            raise _refusal(f"The token is not good ({type(error).__name__}).") from None
        return claims

    def _remember(self, token: str, principal: Principal, expires: float) -> None:
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        until = min(expires + self.rules.skew, self._clock.now() + KNOWN_SECONDS)
        self._known[_digest(token)] = (principal, until)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _refusal(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="invalid_api_key")
