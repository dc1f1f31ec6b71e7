"""Which tiers and budgets there are: a snapshot that the admission is handed whole whenever it changes, so that
serving asks nobody.

A name that the configuration defines is the configuration's, also where the database has another of it.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import inf
from typing import Any

import msgspec

from app.accounts.allowances.schemas import KINDS, Kept, Kind
from app.accounts.limits.admission import Admission
from app.accounts.limits.budgets import Budgets
from app.accounts.limits.tiers import Tiers
from app.accounts.store import Store, unavailable
from app.core.clock import Clock
from app.domain.errors import Conflict, NotFound, PlatformError
from app.domain.limits import Budget, Tier

POLL_SECONDS = 2.0
"""How often it is asked whether another process has changed something."""

PAUSE_AFTER_FAILURE = 1.0

FIRST_SECONDS = 0.1
PATIENCE_SECONDS = 5.0
"""So often while the database has not told anything yet, and how long before that is worth a line in the log."""

logger = logging.getLogger(__name__)


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """`places`: where each is written, by its kind and name, for people."""

    tiers: Mapping[str, Tier] = {}
    budgets: Mapping[str, Budget] = {}
    default_tier: str | None = None
    places: Mapping[tuple[Kind, str], str] = {}

    def of(self, kind: Kind) -> Mapping[str, Any]:
        return self.tiers if kind == "tier" else self.budgets


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is None as long as the database has not told."""

    version: int | None = None
    tiers: Mapping[str, Kept[Tier]] = {}
    budgets: Mapping[str, Kept[Budget]] = {}

    def of(self, kind: Kind) -> Mapping[str, Kept[Any]]:
        return self.tiers if kind == "tier" else self.budgets


class Entry(msgspec.Struct, frozen=True):
    """One that holds. `kept`: where it stands in the database; `place`: where in the configuration."""

    thing: Any
    kept: Kept[Any] | None = None
    place: str | None = None


class AllowanceBook:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.configured = Configured()
        self.stored = Stored()
        self._store = store
        self._clock = clock
        self._admission: Admission | None = None
        self._hidden: set[tuple[Kind, str]] = set()
        self._turn = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None
        self._failed_at = -inf

    def serve(self, admission: Admission, configured: Configured) -> None:
        """From now on `admission` goes by these, and by those of the database."""
        self._admission, self.configured = admission, configured
        self._publish()

    def entries(self, kind: Kind) -> Iterator[Entry]:
        """All that hold, by name."""
        configured, stored = self.configured.of(kind), self.stored.of(kind)
        for name in sorted({*configured, *stored}):
            if name in configured:
                yield Entry(configured[name], place=self.place(kind, name))
            else:
                yield Entry(stored[name].thing, kept=stored[name])

    def place(self, kind: Kind, name: str) -> str:
        return self.configured.places.get((kind, name)) or "the configuration"

    def check_free(self, kind: Kind, name: str) -> None:
        """Raises Conflict for a name that the configuration has."""
        if name in self.configured.of(kind):
            raise Conflict(
                f"The {kind} '{name}' is defined by the configuration ({self.place(kind, name)}): "
                "change it there, and reload.",
                code="configured",
                param="name",
            )

    @property
    def budgets(self) -> Budgets | None:
        """None where nobody holds spending against them."""
        return self._admission.budgets if self._admission is not None else None

    async def refresh(self) -> None:
        """What the database has by now. Raises PlatformError."""
        async with self._turn:
            try:
                stored = await self._read()
            except PlatformError:
                self._failed_at = self._clock.monotonic()
                raise
            self._failed_at = -inf
            if stored is not self.stored:
                self.stored = stored
                self._publish()

    async def latest(self) -> "AllowanceBook":
        """Itself, with what others have just changed if the database tells."""
        beginning = self.stored.version is None and self._turn.locked()
        if beginning or self._failed_at + PAUSE_AFTER_FAILURE <= self._clock.monotonic():
            await self._look()
        return self

    def missing(self, kind: Kind, name: str) -> PlatformError:
        """What is said of one that is not there, as far as is known."""
        return unavailable() if self.stored.version is None else not_found(kind, name)

    async def known(self) -> None:
        """Returns when the database has told once, or does not answer."""
        if self.stored.version is None:
            await self._look()

    async def _look(self) -> None:
        """Who comes while another one asks waits for that: whether the database answers is found out by one."""
        if self._turn.locked():
            async with self._turn:
                return
        with suppress(PlatformError):
            await self.refresh()

    async def _read(self) -> Stored:
        """What is known, if nothing has changed."""
        async with self._store.reading() as connection:
            from app.accounts.allowances import repository as rows
            from app.accounts.versions import version_of

            version = await version_of(connection, rows.SUBJECT)  # first: what comes after it is read twice
            if version == self.stored.version:
                return self.stored
            tiers, budgets = await rows.every(connection, "tier"), await rows.every(connection, "budget")
            return Stored(version=version, tiers=tiers, budgets=budgets)

    def start(self) -> None:
        self._polling = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait({self._polling})

    def _publish(self) -> None:
        if self._admission is None:
            return
        hidden = {
            (kind, name) for kind in KINDS for name in self.configured.of(kind) if name in self.stored.of(kind)
        }
        for kind, name in sorted(hidden - self._hidden):
            logger.warning("the %s '%s' of the database does not hold, for the configuration has one", kind, name)
        self._hidden = hidden
        tiers = [entry.thing for entry in self.entries("tier")]
        self._admission.tiers = Tiers(tiers, self.configured.default_tier)
        if self.budgets is not None:
            self.budgets.budgets = tuple(entry.thing for entry in self.entries("budget"))

    async def _poll(self) -> None:
        began, told = self._clock.monotonic(), False
        while True:
            try:
                await self.refresh()
            except PlatformError as error:
                if not told and self.stored.version is None and self._clock.monotonic() - began > PATIENCE_SECONDS:
                    told = True
                    logger.warning("only tiers and budgets of the configuration are known as yet: %s", error)
            except Exception:
                logger.exception("defect while tiers and budgets were looked up; they stay as they were known")
            await self._clock.sleep(POLL_SECONDS if self.stored.version is not None or told else FIRST_SECONDS)


def not_found(kind: Kind, name: str) -> NotFound:
    return NotFound(f"There is no {kind} '{name[:64]}'.", code=f"{kind}_not_found", param="name")
