"""Redis as an integration: what one process keeps there, the others find (Cache), and scripts that run in one go.

It is hardly worth waiting for: an operation has a short limit, and while the server does not answer every one is
refused at once, so that whoever asks goes on without it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import BaseIntegration, HealthReport, IntegrationConfig, IntegrationConfigError
from app.domain.errors import UpstreamAuthFailed, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.integrations.storage.redis.scripts import CLAIM, EXCHANGE
from app.integrations.storage.redis.settings import RedisSettings
from app.integrations.storage.redis.watch import Watch

if TYPE_CHECKING:
    from app.integrations.storage.redis.client import Client

T = TypeVar("T")

START_SECONDS = 2.0
QUIET_SECONDS = 60.0
"""How long a refusal is not logged again."""

CLAIM_SECONDS = 2.0
"""What claiming a key may take: whoever can't be told whose it is has to be refused, so it is worth a wait."""

_CLAIMS = "once:"
_NO_ANSWER = (UpstreamTimeout, UpstreamUnavailable, UpstreamAuthFailed)

logger = logging.getLogger(__name__)


class RedisIntegration(BaseIntegration):
    """Satisfies Cache, ClaimStore and ScriptRunner."""

    settings_model = RedisSettings
    settings: RedisSettings
    busy = False

    def __init__(self, config: IntegrationConfig, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._clock = clock or SystemClock()
        self._client: Client | None = None
        self._watch = Watch(self.name, self._ping, self._clock)
        self._refusal_told = -QUIET_SECONDS

    async def initialize(self) -> None:
        """Raises IntegrationConfigError for a URL that makes no sense, UpstreamError when it can't be reached."""
        rooms = await asyncio.to_thread(import_module, "app.integrations.storage.redis.client")
        try:
            self._client = rooms.Client(self.name, self.settings)
            await self._client.ask("PING", seconds=START_SECONDS)
        except (TypeError, ValueError):
            raise IntegrationConfigError("settings.url: its options are not understood") from None

    async def health_check(self) -> HealthReport:
        await self._asked(lambda client: client.ask("PING"))
        return HealthReport()

    async def shutdown(self) -> None:
        await self._watch.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get_cached(self, key: str) -> bytes | None:
        found: bytes | None = await self._asked(lambda client: client.ask("GET", self._named(key)))
        return found

    async def put_cached(self, key: str, value: bytes, ttl: float) -> None:
        milliseconds = max(1, int(ttl * 1000))
        await self._asked(lambda client: client.ask("SET", self._named(key), value, "PX", milliseconds))

    async def delete_cached(self, key: str) -> None:
        await self._asked(lambda client: client.ask("DEL", self._named(key)))

    async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        found: bytes | None = await self._claimed(CLAIM, key, mark, int(seconds * 1000))
        return found

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        new = () if value is None else (value, int(seconds * 1000))
        return bool(await self._claimed(EXCHANGE, key, mark, *new))

    async def run_script(self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | float]) -> Any:
        named = [self._named(key) for key in keys]
        return await self._asked(lambda client: client.run_script(script, named, arguments))

    async def _claimed(self, script: str, key: str, *arguments: bytes | float) -> Any:
        named, limit = [self._named(_CLAIMS + key)], max(CLAIM_SECONDS, self.settings.timeout)
        return await self._asked(lambda client: client.run_script(script, named, arguments, limit))

    def _named(self, key: str) -> str:
        return self.settings.key_prefix + key

    async def _asked(self, question: "Callable[[Client], Awaitable[T]]") -> T:
        """Raises UpstreamError: at once while the server is not there."""
        client = self._client
        if client is None or not self._watch.there:
            raise self._gone()
        asked_at = self._clock.monotonic()
        try:
            answer = await question(client)
        except _NO_ANSWER as error:
            self._watch.missed(error, asked_at)
            raise
        except UpstreamError as error:
            self._tell(error)
            raise
        self._watch.answered()
        return answer

    async def _ping(self) -> None:
        if self._client is not None:
            await self._client.ask("PING")

    def _gone(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"'{self.name}' does not answer now.", provider=self.name)

    def _tell(self, refusal: UpstreamError) -> None:
        """A full memory, a replica that can't be written to: a person has to know."""
        now = self._clock.monotonic()
        if now - self._refusal_told >= QUIET_SECONDS:
            self._refusal_told = now
            logger.warning("%s: %s", self.name, refusal.__cause__ or refusal)
