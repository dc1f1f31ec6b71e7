"""The parts of accounts together, as the rest of the platform is handed them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from app.accounts.allowances.book import AllowanceBook
from app.accounts.audit.log import AuditLog
from app.accounts.keys.digests import Digests
from app.accounts.keys.directory import KeyDirectory
from app.accounts.keys.snapshot import Entry
from app.accounts.keys.source import StoredKeys
from app.accounts.store import Store
from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError, Unavailable
from app.domain.ports import SqlDatabase

if TYPE_CHECKING:
    from app.accounts.allowances.service import AllowanceService
    from app.accounts.keys.service import KeyService

logger = logging.getLogger(__name__)


class Accounts:
    """`databases` gives those that serve now. `load_digests` reads, or makes, the secret behind the keys' digests.

    Everything raises Unavailable where the database, or the secret, is not to be had.
    """

    def __init__(
        self,
        databases: Callable[[], Sequence[SqlDatabase]],
        load_digests: Callable[[], Digests],
        clock: Clock | None = None,
    ) -> None:
        self.store = Store(databases)
        self._clock = clock or SystemClock()
        self._load_digests = load_digests
        self._digests: Digests | None = None
        self._complained = False
        self._directory = KeyDirectory(StoredKeys(self.store, self._ready_digests, self._clock), self._clock)
        self._keys: KeyService | None = None
        self._allowances: AllowanceService | None = None
        self.allowances = AllowanceBook(self.store, self._clock)
        self.audit = AuditLog(self.store, self._clock)

    def known(self, key: str) -> Entry | None:
        """The key, if it is known without asking anybody; None where only `find` can tell."""
        return None if self._digests is None else self._directory.get(self._digests.of(key))

    async def find(self, key: str) -> Entry | None:
        """None when nobody has the key."""
        entry = await self._directory.find((await self._ready_digests()).of(key))
        await self.allowances.known()  # else the first request might miss the tier that its key names
        return entry

    async def keys(self) -> "KeyService":
        if self._keys is None:
            digests = await self._ready_digests()
            room = await asyncio.to_thread(import_module, "app.accounts.keys.service")
            tiers = self.allowances
            self._keys = room.KeyService(
                self.store, digests, self._clock, self._publish, lambda: tiers.configured.tiers
            )
        return self._keys

    async def setting_allowances(self) -> "AllowanceService":
        if self._allowances is None:
            room = await asyncio.to_thread(import_module, "app.accounts.allowances.service")
            self._allowances = room.AllowanceService(self.store, self._clock, self.allowances)
        return self._allowances

    async def start(self) -> None:
        self.allowances.start()
        await self._directory.start()

    async def stop(self) -> None:
        await self.allowances.stop()
        await self._directory.stop()
        await self.audit.stop()

    async def _publish(self) -> None:
        """What was changed is changed, also when it can't be read back at once."""
        with suppress(PlatformError):
            await self._directory.refresh()

    async def _ready_digests(self) -> Digests:
        if self._digests is None:
            try:
                self._digests = await asyncio.to_thread(self._load_digests)
            except (OSError, ValueError) as error:
                if not self._complained:
                    logger.error(
                        "the secret behind the keys can be neither read nor made: %s; set LLM_PLATFORM_KEY_SECRET",
                        error,
                    )
                self._complained = True
                raise Unavailable(
                    "The platform's secret for keys is not to be had; its log tells why.",
                    code="key_secret_unavailable",
                ) from None
        return self._digests


def without_accounts() -> Accounts:
    """For a platform that has none: it knows nobody, and can tell nobody's key from a good one."""

    def nothing() -> Digests:
        raise ValueError("there are no accounts")

    return Accounts(lambda: (), nothing)
