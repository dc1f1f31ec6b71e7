"""One platform with every front-end on, over providers whose scripts change from scenario to scenario."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import msgspec

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.api.context import ApiContext
from app.api.graphql.app import PATH as GRAPHQL
from app.api.graphql.app import GraphQLApp
from app.api.grpc.front_end import GrpcApi
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.api.rest.app import create_rest_app
from app.api.websocket.app import websocket_endpoints
from app.api.websocket.server import uvicorn_options
from app.core.integration_framework import IntegrationConfig, IntegrationManager, IntegrationType, Registry
from app.domain.errors import PlatformError
from app.domain.events import EventStream, StreamEvent
from app.domain.exchange import Exchange
from app.domain.limits import Estimate, Tier
from app.domain.models import ModelInfo
from app.enabled import FRONT_ENDS
from app.inference.caching.answers import Answers
from app.inference.caching.memory import MemoryCache
from app.inference.call import Call
from app.inference.catalog import LiveCatalog, Source
from app.inference.policy import CachePolicy, ModelPolicy, RoutingPolicy, Timeouts
from app.inference.router import Router
from app.inference.routes import Routing
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.admit import Admit
from app.inference.stages.cache import AnswerCache
from app.inference.stages.deadline import keep_time
from app.inference.stages.guard import Guard
from app.inference.vitals import Fleet
from app.testing.providers import ScriptedProvider, Step
from tests.servers.serving import serving

KEY = "sk-parity"
MOST_BYTES = 2 * 2**20


class Wait(Enum):
    """Steps of a script beside those of ScriptedProvider: each becomes an event of its own when it is played."""

    FOR_EVER = "for ever"
    FOR_THE_READER = "until the caller has read some text"


Script = Sequence[StreamEvent | BaseException | Wait]


class Provider(ScriptedProvider):
    """Reads the request, as a provider that speaks a format of its own does. `opened`: streams that it began.
    `window`: the context of its model.
    """

    opened = 0
    window: int | None = None

    def models(self) -> Sequence[ModelInfo]:
        return [msgspec.structs.replace(info, context_window=self.window) for info in super().models()]

    async def chat(self, exchange: Exchange[Any]) -> EventStream:
        assert exchange.request is not None
        stream = await super().chat(exchange)
        self.opened += 1
        return stream


class Gateway:
    """`refusal`: raised before a call reaches a provider, as by a limit."""

    def __init__(self) -> None:
        self.port = self.grpc_port = 0
        self.providers: list[Provider] = []
        self.begun: list[Call] = []
        self.records: list[CallRecord] = []
        self.read = asyncio.Event()
        self.refusal: PlatformError | None = None
        self.admission = Admission(Tiers(), SharedLimits(MemoryLimits()))
        self.catalog = LiveCatalog(self._sources)
        self.kept = MemoryCache(0)
        account = Account([self.records.append], [self.begun.append])
        admit = Admit(self.admission, lambda: 100)
        cache = AnswerCache(self.catalog, Answers(self.kept, MOST_BYTES))
        self.router = Router(
            self.catalog,
            call_stages=[account, self._limit, admit, cache, Guard(self.catalog)],
            attempt_stages=[keep_time],
        )

    def play(
        self,
        *scripts: Script,
        timeouts: Timeouts | None = None,
        refusal: PlatformError | None = None,
        window: int | None = None,
        tier: Tier | None = None,
        before: Estimate | None = None,
        cache: CachePolicy | None = None,
    ) -> None:
        """Forget the last scenario and set up the next: one provider a script, tried in their order. Every caller
        is in `tier`, and the one with the key has a call of the size `before` under way.
        """
        self.admission.tiers = Tiers([tier], tier.name) if tier else Tiers()
        limits = MemoryLimits(clock=lambda: 0.0)
        self.admission.limits = SharedLimits(limits)
        if tier is not None and before is not None:
            limits.reserve("operator", tier.rates, before)
        self.read = asyncio.Event()
        self.providers = [
            Provider([self._step(step) for step in script], name=f"provider-{place}")
            for place, script in enumerate(scripts)
        ]
        for provider in self.providers:
            provider.window = window
        self.begun.clear()
        self.records.clear()
        self.refusal = refusal
        self.catalog.fleet = Fleet()
        self.kept.limit = 0
        self.kept.limit = 8 * MOST_BYTES
        policy = ModelPolicy(timeouts=timeouts or Timeouts(), retries=len(scripts) - 1, cache=cache)
        self.catalog.rebuild(Routing(policy=RoutingPolicy(default=policy)))

    @property
    def asked(self) -> list[Exchange[Any]]:
        return [exchange for provider in self.providers for exchange in provider.exchanges]

    @property
    def answering(self) -> bool:
        return any(provider.opened for provider in self.providers)

    @property
    def settled(self) -> bool:
        """Everything that was begun has ended, and every upstream is released."""
        released = all(provider.closed == provider.opened for provider in self.providers)
        return released and len(self.records) == len(self.begun)

    def _step(self, step: StreamEvent | BaseException | Wait) -> Step:
        if step is Wait.FOR_THE_READER:
            return self.read
        return asyncio.Event() if isinstance(step, Wait) else step

    def _sources(self) -> list[Source]:
        return [
            Source(source=provider, serving=True, priority=place) for place, provider in enumerate(self.providers)
        ]

    async def _limit(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
        if self.refusal is not None:
            raise self.refusal
        return await proceed(call)


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    platform = Gateway()
    settings = {"grpc": {"host": "127.0.0.1", "port": 0}}
    manager = IntegrationManager(
        Registry(FRONT_ENDS),
        [
            IntegrationConfig(name=name, type=IntegrationType.API_COMPATIBILITY, settings=settings.get(name, {}))
            for name in FRONT_ENDS
        ],
    )
    policy = ApiPolicy(
        authenticator=Authenticator(KEY), body_bytes=MOST_BYTES, json_depth=64, comment_seconds=15.0
    )
    context = ApiContext(
        router=platform.router, manager=manager, policy=lambda: policy, ready=lambda: True, reload=_reload
    )
    manager.share(ApiContext, context)
    app = create_rest_app(context, {GRAPHQL: GraphQLApp(context), **websocket_endpoints(context)})
    await manager.start()
    try:
        front_end = manager.get_integration("grpc")
        assert isinstance(front_end, GrpcApi)
        platform.grpc_port = front_end.port
        async with serving(app, **uvicorn_options(MOST_BYTES)) as platform.port:
            yield platform
    finally:
        await manager.stop()


async def _reload() -> Mapping[str, object]:
    return {"settings": {}}
