"""Asking a Redis server, each question bounded in time. Importing this loads redis-py."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.domain.errors import UpstreamAuthFailed, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.integrations.storage.redis.settings import RedisSettings

Argument = str | bytes | int | float

# Read from the top: an AuthenticationError is a ConnectionError too.
_MEANINGS: tuple[tuple[type[Exception], type[UpstreamError], str], ...] = (
    (exceptions.AuthenticationError, UpstreamAuthFailed, "does not accept the credentials in settings.url"),
    (exceptions.TimeoutError, UpstreamTimeout, "gave no answer"),
    (exceptions.ConnectionError, UpstreamUnavailable, "can't be reached"),
    (OSError, UpstreamUnavailable, "can't be reached"),
)


class Client:
    """`name` is the integration's. Every method raises UpstreamTimeout or UpstreamUnavailable where the server
    does not answer, UpstreamAuthFailed where it refuses the credentials, and UpstreamError where it refuses this
    one command; its own words are in the cause.
    """

    def __init__(self, name: str, settings: RedisSettings) -> None:
        """Raises ValueError for a URL that makes no sense."""
        self._name = name
        self._settings = settings
        pool = BlockingConnectionPool.from_url(
            settings.url.get_secret_value(),
            max_connections=settings.max_connections,
            timeout=None,
            # `ask` has the limit. With one of its own redis-py puts a task around each write, and that can lose a
            # cancellation: https://github.com/python/cpython/issues/86296
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),  # whoever asks has better to do than to wait
            protocol=2,
            **_tls(settings),
        )
        self._redis = Redis(connection_pool=pool)

    async def ask(self, *command: Argument, seconds: float | None = None) -> Any:
        """The server's reply. `seconds` instead of the configured limit."""
        limit = self._settings.timeout if seconds is None else seconds
        try:
            async with asyncio.timeout(limit):
                return await self._redis.execute_command(*command)
        except TimeoutError:
            message = f"'{self._name}' gave no answer within {limit:g} s."
            raise UpstreamTimeout(message, provider=self._name) from None
        except exceptions.NoScriptError:
            raise
        except (exceptions.RedisError, OSError) as error:
            raise _meant(error, self._name) from error

    async def run_script(
        self, script: str, keys: Sequence[str], arguments: Sequence[Argument], seconds: float | None = None
    ) -> Any:
        """One round trip once the server knows the script, which it forgets when it starts anew."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.ask("EVALSHA", _digest(script), *rest, seconds=seconds)
        except exceptions.NoScriptError:
            return await self.ask("EVAL", script, *rest, seconds=seconds)

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()


def _meant(error: Exception, name: str) -> UpstreamError:
    for kind, meaning, words in _MEANINGS:
        if isinstance(error, kind):
            return meaning(f"'{name}' {words} ({type(error).__name__}).", provider=name)
    return UpstreamError(f"'{name}' refused a command.", provider=name)


@lru_cache(maxsize=64)
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _tls(settings: RedisSettings) -> dict[str, Any]:
    if not settings.encrypted:
        return {}
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.cert_file,
        "ssl_keyfile": settings.key_file,
    }
    return {
        "ssl_cert_reqs": "required" if settings.verify else "none",
        "ssl_check_hostname": settings.verify,
        **{name: str(path) for name, path in files.items() if path is not None},
    }
