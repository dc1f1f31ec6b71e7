"""From the settings of idempotency keys to where they are kept."""

from collections.abc import Callable

from app.core.integration_framework import BaseIntegration, IntegrationManager
from app.domain.ports import ClaimStore
from app.enabled import integration_configs
from app.inference.once.memory import MemoryClaims
from app.inference.once.once import Keeping, Once
from app.settings import Settings


def once_of(settings: Callable[[], Settings], manager: IntegrationManager) -> Once:
    """`settings` gives those that hold now."""

    def keeping() -> Keeping:
        wanted = settings().idempotency
        return Keeping(wanted.ttl, wanted.lease, wanted.max_answer_bytes)

    return Once(_Place(settings, manager), keeping)


class _Place:
    """Gives the store that was configured, and never another one while that is away: there nobody would know of a
    request that was sent before.
    """

    def __init__(self, settings: Callable[[], Settings], manager: IntegrationManager) -> None:
        self._settings = settings
        self._manager = manager
        self._memory = MemoryClaims(0)
        self._seen: Settings | None = None
        self._kind = ""

    def __call__(self) -> ClaimStore | None:
        settings = self._settings()
        if settings is not self._seen:
            self._seen, self._kind = settings, kind_of_store(settings)
            self._memory.answers.limit = settings.idempotency.memory_bytes
        if self._kind == "memory":
            return self._memory if settings.server.workers == 1 else None
        return next((each for each in self._manager.providing(ClaimStore) if _kind(each) == self._kind), None)


def kind_of_store(settings: Settings) -> str:
    """The kind of integration; or "memory"."""
    wanted = settings.idempotency.store
    if wanted != "auto":
        return wanted
    enabled = {config.effective_kind for config in integration_configs(settings) if config.enabled}
    return next((kind for kind in ("redis", "database") if kind in enabled), "memory")


def _kind(store: object) -> str:
    return store.config.effective_kind if isinstance(store, BaseIntegration) else ""
