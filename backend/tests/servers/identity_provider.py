"""An identity provider that a test makes sign, publish, rotate, lie and fall silent as it likes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "llm-platform"


def _private_key(algorithm: str) -> Any:
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
    )


class SigningKey:
    def __init__(self, id: str, algorithm: str = "RS256") -> None:
        self.id = id
        self.algorithm = algorithm
        self.private = _private_key(algorithm)

    def public(self) -> dict[str, Any]:
        kind = jwt.get_algorithm_by_name(self.algorithm)
        found: dict[str, Any] = json.loads(kind.to_jwk(self.private.public_key()))  # type: ignore[attr-defined]
        return {**found, "kid": self.id, "alg": self.algorithm, "use": "sig"}


class IdentityProvider:
    """`published`: the keys that it tells. `asked`: paths. `hold`: waited for before an answer."""

    def __init__(self) -> None:
        self.url = ""
        self.issuer: str | None = None
        self.key = SigningKey("key-1")
        self.published: list[dict[str, Any]] = [self.key.public()]
        self.status = 200
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None
        self.jwks_url: str | None = None

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300, "roles": ["user"]}
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def token(self, key: SigningKey | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Claims and headers that are None are left out."""
        key = key or self.key
        given = {"kid": key.id, **(headers or {})}
        shown = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(self.claims(**claims), key.private, key.algorithm, shown)

    async def discovery(self, request: web.Request) -> web.Response:
        document = {"issuer": self.issuer or self.url, "jwks_uri": self.jwks_url or f"{self.url}/keys"}
        return await self._answer(request, document)

    async def keys(self, request: web.Request) -> web.Response:
        return await self._answer(request, {"keys": self.published})

    async def _answer(self, request: web.Request, value: object) -> web.Response:
        self.asked.append(request.path)
        if self.hold is not None:
            await self.hold.wait()
        return web.json_response(value, status=self.status)


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    app = web.Application()
    app.add_routes(
        [web.get("/.well-known/openid-configuration", provider.discovery), web.get("/keys", provider.keys)]
    )
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
