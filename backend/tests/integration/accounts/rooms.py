"""Accounts over a real database, as one process of the platform has them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.accounts.allowances.book import Configured
from app.accounts.audit.schemas import Actor
from app.accounts.keys.digests import Digests
from app.accounts.keys.schemas import NewKey
from app.accounts.keys.service import KeyService
from app.accounts.keys.snapshot import Entry
from app.accounts.limits.admission import Admission
from app.accounts.limits.budgets import Budgets
from app.accounts.limits.families import Families
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.accounts.usage.spending import Rows, SpendingFigures
from app.core.clock import SystemClock
from app.core.integration_framework import IntegrationConfig
from app.domain.limits import Budget, Tier
from app.domain.principal import Principal
from app.domain.roles import ROLES
from app.integrations.storage.database.integration import DatabaseIntegration

SECRET = b"s" * 32
MASTER = Principal(id="operator", roles=frozenset(ROLES))


CONFIGURED = Configured(
    tiers={name: Tier(name=name) for name in ("gold", "free")},
    budgets={"everything": Budget(name="everything", limit=100)},
    places={("tier", "gold"): "llm-platform.yaml:7"},
)


async def nothing_spent(first: int, last: int | None, month: int) -> Rows:
    return ()


async def no_paths() -> Iterable[str]:
    return ()


class ShiftedClock(SystemClock):
    """`ahead`: seconds by which people's time is later than it is."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Process:
    def __init__(self, settings: Mapping[str, Any], secret: bytes = SECRET) -> None:
        self.database = DatabaseIntegration(IntegrationConfig(name="database", settings=dict(settings)))
        self.clock = ShiftedClock()
        self.accounts = Accounts(lambda: [self.database], lambda: Digests(secret), self.clock)
        self.spending = SpendingFigures(nothing_spent, self.clock)
        budgets = Budgets(self.spending, Families(no_paths), clock=self.clock)
        self.admission = Admission(Tiers(), SharedLimits(MemoryLimits()), budgets)
        self.accounts.allowances.serve(self.admission, CONFIGURED)

    async def service(self) -> KeyService:
        return await self.accounts.keys()

    async def issue(self, by: Principal = MASTER, **fields: Any) -> tuple[str, Principal]:
        """A new key's text, and who shows it."""
        _, text = await (await self.service()).create(actor(by), NewKey(**fields))
        entry = await self.entry(text)
        assert entry is not None
        return text, entry.principal

    async def entry(self, text: str) -> Entry | None:
        return self.accounts.known(text) or await self.accounts.find(text)

    async def rows(self, table: str) -> list[Mapping[str, Any]]:
        async with self.database.reading() as connection:
            found = await connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - a test's own words
            return [dict(row._mapping) for row in found]


def actor(principal: Principal = MASTER) -> Actor:
    return Actor(principal=principal, request_id="req-1", front_end="test")


@asynccontextmanager
async def process(settings: Mapping[str, Any], secret: bytes = SECRET) -> AsyncIterator[Process]:
    room = Process({"timeout": 30, **settings}, secret)
    await room.database.initialize()
    try:
        yield room
    finally:
        await room.accounts.stop()
        await room.database.shutdown()
