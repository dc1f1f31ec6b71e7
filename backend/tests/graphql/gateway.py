"""The GraphQL front-end over scripted providers, on a real socket, behind the door that it shares with REST."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.types import ASGIApp

from app.api.context import ApiContext
from app.api.graphql.app import PATH, GraphQLApp
from app.api.graphql.front_end import GraphQLApi
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.api.rest.app import create_rest_app
from app.api.websocket.server import uvicorn_options
from app.core.integration_framework import (
    BaseIntegration,
    IntegrationConfig,
    IntegrationManager,
    IntegrationType,
    Registry,
)
from app.core.siblings import Siblings
from app.domain.events import Finished, Started, TextDelta, UsageReported
from app.domain.models import ModelInfo
from app.domain.usage import Usage
from app.inference.catalog import LiveCatalog, Source
from app.inference.explained import Explained, Explainer
from app.inference.recent import RecentCalls
from app.inference.router import Router
from app.inference.stages.account import Account
from app.inference.stages.deadline import keep_time
from app.inference.tally import Tally
from app.testing.providers import ScriptedProvider
from tests.servers.raw_client import Reply, post
from tests.servers.routing import ONE_TRY
from tests.servers.serving import serving

ANSWER = (
    Started(id="gen-1", model="model", created=1),
    TextDelta(text="Hel"),
    TextDelta(text="lo"),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
)
FRAME_BYTES = 1 << 20
KEY = "sk-test-master"
BEARER = {"Authorization": f"Bearer {KEY}"}


class Gateway(msgspec.Struct):
    app: ASGIApp
    port: int
    provider: ScriptedProvider
    context: ApiContext

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"

    async def ask(self, query: str, variables: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        return await post(self.port, "/graphql", {"query": query, "variables": variables}, headers or {})

    async def data(self, query: str, variables: object = None) -> Any:
        """The data of an answer without errors."""
        told = (await self.ask(query, variables)).json()
        assert "errors" not in told, json.dumps(told["errors"], indent=1)
        return told["data"]


class Shelf(BaseIntegration):
    """An integration with one model, which can be loaded and let go."""

    accepts_unlisted = False
    loaded = False

    def models(self) -> list[ModelInfo]:
        return [ModelInfo(id="shelved", provider=self.name, loaded=self.loaded)]

    async def load(self, model: str) -> None:
        self.loaded = True

    async def unload(self, model: str) -> None:
        self.loaded = False

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None


def configs(developing: bool) -> list[IntegrationConfig]:
    return [
        IntegrationConfig(
            name="graphql",
            type=IntegrationType.API_COMPATIBILITY,
            settings={"introspection": developing, "graphiql": developing},
        ),
        IntegrationConfig(name="shelf", type=IntegrationType.MODEL_PLATFORM, dependencies=["ground"]),
        IntegrationConfig(name="ground", kind="shelf", type=IntegrationType.STORAGE),
    ]


def _context(manager: IntegrationManager, provider: ScriptedProvider, policy: ApiPolicy) -> ApiContext:
    recent, tally = RecentCalls(), Tally()
    catalog = LiveCatalog(lambda: [Source(source=provider, serving=True)])
    catalog.rebuild(ONE_TRY)
    explained = Explained()
    account = Account([tally.ended, recent, explained], [tally.began])
    router = Router(catalog, call_stages=[account], attempt_stages=[keep_time])

    async def reload() -> Mapping[str, object]:
        return {"settings": {}}

    return ApiContext(
        router=router,
        manager=manager,
        policy=lambda: policy,
        ready=lambda: True,
        reload=reload,
        tally=tally,
        recent=recent,
        explain=Explainer(explained, Siblings()),
    )


@asynccontextmanager
async def gateway(
    provider: ScriptedProvider | None = None,
    *,
    key: str | None = None,
    developing: bool = False,
    authenticator: Authenticator | None = None,
    **policy: object,
) -> AsyncIterator[Gateway]:
    """`policy` overrides fields of ApiPolicy."""
    provider = provider or ScriptedProvider(ANSWER)
    settings = {"body_bytes": 1 << 20, "json_depth": 64, "comment_seconds": 15.0, **policy}
    current = ApiPolicy(authenticator=authenticator or Authenticator(key), **settings)  # type: ignore[arg-type]
    manager = IntegrationManager(Registry({"graphql": GraphQLApi, "shelf": Shelf}), configs(developing))
    context = _context(manager, provider, current)
    manager.share(ApiContext, context)
    app = create_rest_app(context, {PATH: GraphQLApp(context)})
    await manager.start()
    try:
        async with serving(app, **uvicorn_options(FRAME_BYTES)) as port:
            yield Gateway(app, port, provider, context)
    finally:
        await manager.stop()
