"""Requests with Idempotency-Keys over scripted providers, on a clock that stands still."""

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

from app.domain.errors import UpstreamUnavailable
from app.domain.events import StreamEvent
from app.domain.ports import ClaimStore
from app.inference.call import Call, Stage
from app.inference.catalog import LiveCatalog, Source
from app.inference.once.memory import MemoryClaims
from app.inference.once.once import Keeping, Once
from app.inference.router import Router
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.known import answer_known
from app.testing.clock import VirtualClock
from app.testing.providers import ScriptedProvider
from tests.servers.routing import ONE_TRY
from tests.unit.inference.caching.room import asking, settle


class Away:
    """A store that does not answer. Satisfies ClaimStore."""

    async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        raise UpstreamUnavailable("away")

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        raise UpstreamUnavailable("away")


class Flaky(MemoryClaims):
    """Takes keys; while it is `away` it lets nobody renew or end one."""

    away = False

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        if self.away:
            raise UpstreamUnavailable("away")
        return await super().exchange(key, mark, value, seconds)


class Room:
    """`claims` may be exchanged; None: nothing keeps keys."""

    def __init__(
        self,
        provider: ScriptedProvider,
        keeping: Keeping | None = None,
        stages: Sequence[Stage[Call]] = (),
    ) -> None:
        self.provider = provider
        self.clock = VirtualClock()
        self.records: list[CallRecord] = []
        self.claims: ClaimStore | None = MemoryClaims(1 << 20, self.clock.monotonic)
        self.once = Once(lambda: self.claims, lambda: keeping or Keeping(), self.clock)
        catalog = LiveCatalog(lambda: [Source(source=provider, serving=True)])
        catalog.rebuild(ONE_TRY)
        self.router = Router(catalog, call_stages=[Account([self.records.append]), *stages, answer_known])
        self.open = partial(self.once.open, self.router.open)

    @property
    def asked(self) -> int:
        return len(self.provider.exchanges)

    async def ask(self, key: str = "key", call: Call | None = None) -> list[StreamEvent]:
        """The whole answer."""
        call = call or calling()
        async with aclosing(await self.open(key, self.router.open, call)) as stream:
            events = [event async for event in stream]
        await settle()
        return events


def calling(body: bytes = b'{"model":"model"}', **fields: object) -> Call:
    return asking(body, **{"model": "model", **fields})
