"""The router with a cache over scripted providers, on a clock that stands still."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from itertools import count

from app.domain.events import Finished, Opaque, Started, StreamEvent, TextDelta, UsageReported
from app.domain.exchange import Encoded
from app.domain.ports import Cache
from app.domain.prices import Price
from app.domain.principal import Principal
from app.domain.usage import Usage
from app.inference.caching.answers import Answers
from app.inference.caching.memory import MemoryCache
from app.inference.call import Call
from app.inference.catalog import LiveCatalog, Source
from app.inference.policy import BreakerPolicy, CachePolicy, ModelPolicy, RoutingPolicy
from app.inference.router import Router
from app.inference.routes import ConfiguredModel, Route, Routing
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.cache import AnswerCache
from app.inference.stages.deadline import keep_time
from app.testing.clock import VirtualClock
from app.testing.providers import ScriptedProvider
from app.wire.splice import splice

ANN, BOB = Principal(id="ann"), Principal(id="bob")
USAGE = Usage(input_tokens=3, output_tokens=2)
HELLO: list[StreamEvent] = [
    Started(id="1", model="model", created=0),
    TextDelta(text="hel"),
    TextDelta(text="lo"),
    Finished(reason="stop"),
    UsageReported(usage=USAGE),
]
FRAMES: list[StreamEvent] = [
    Opaque("f", b"data: 1\n\n"),
    Opaque("f", b"data: 2\n\n"),
    UsageReported(usage=USAGE),
    Opaque("f", b"data: [DONE]\n\n", last=True),
]
_IDS = count()


def asking(body: bytes = b'{"model":"m"}', **fields: object) -> Call:
    """`body`: in the format `f`."""
    given = {"id": f"call-{next(_IDS)}", "operation": "chat", "model": "m", "stream": True, "principal": ANN}
    call = {**given, "decode": lambda: body, "encoded": Encoded("f", body, splice), **fields}
    return Call(**call)  # type: ignore[arg-type]


class Room:
    """`policy` is that of the model `m`, which `providers` have, tried one after the other. `plain` has none."""

    def __init__(
        self,
        *providers: ScriptedProvider,
        policy: CachePolicy | None = None,
        model: ModelPolicy | None = None,
        most_bytes: int = 1 << 20,
        shared: Cache | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.records: list[CallRecord] = []
        self.calls: dict[str, Call] = {}
        self.memory = MemoryCache(1 << 20, self.clock.monotonic)
        self.answers = Answers(self.memory, most_bytes, shared)
        self._providers = providers
        self.policy = ModelPolicy(
            cache=policy or CachePolicy(),
            retries=len(providers) - 1,
            **({} if model is None else {"fallbacks": model.fallbacks}),
        )
        self.catalog = LiveCatalog(lambda: [Source(source=each, serving=True) for each in self._providers])
        self.lead_to(*(each.name for each in providers))
        self.cache = AnswerCache(self.catalog, self.answers)
        account = Account([self.records.append], [self._begun])
        self.router = Router(self.catalog, call_stages=[account, self.cache], attempt_stages=[keep_time])

    def lead_to(self, *names: str) -> None:
        """Where `m` leads from now on."""
        routes = [Route(integration=name, model="model", priority=place) for place, name in enumerate(names)]
        spare = [Route(integration=self._providers[-1].name, model="model")]
        models = {
            "m": ConfiguredModel(routes=routes, policy=self.policy),
            "plain": ConfiguredModel(routes=routes),
            "spare": ConfiguredModel(routes=spare),
        }
        never_out = RoutingPolicy(breaker=BreakerPolicy(failures=0))
        self.catalog.rebuild(
            Routing(models=models, policy=never_out, price=lambda *_: Price(input=1.0, output=1.0))
        )

    async def ask(self, call: Call | None = None) -> list[StreamEvent]:
        """The whole answer, when it is put away if it is to be."""
        async with aclosing(await self.router.open(call or asking())) as stream:
            events = [event async for event in stream]
        await settle()
        return events

    @property
    def told(self) -> list[str | None]:
        """What the cache did for each call, in the order in which they ended."""
        return [self.calls[record.id].cache_status for record in self.records]

    def paid(self) -> list[CallRecord]:
        """Those of calls for which a provider was asked."""
        return [record for record in self.records if self.calls[record.id].cache_status == "miss"]

    def _begun(self, call: Call) -> None:
        self.calls[call.id] = call

    def idle(self) -> bool:
        """Nothing is held any more."""
        targets = self.catalog.current.entry("m").targets
        return not any(each.vitals.in_flight or each.vitals.slots.taken for each in targets)


async def settle() -> None:
    """Let everything run that needs no time."""
    for _ in range(30):
        await asyncio.sleep(0)


def asked(providers: Sequence[ScriptedProvider]) -> int:
    return sum(len(provider.exchanges) for provider in providers)
