"""GraphQL as an integration: it starts, drains and can be switched off like any other."""

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from app.api.context import ApiContext
from app.core.integration_framework import BaseIntegration, IntegrationConfig

if TYPE_CHECKING:
    from app.api.graphql.engine import Engine

FRONT_END = "graphql"


class GraphQLSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    introspection: bool = Field(default=False, description="Tell the schema to whoever asks.")
    graphiql: bool = Field(default=False, description="Show GraphiQL to browsers; its scripts come from a CDN.")


class GraphQLApi(BaseIntegration):
    """Owns the engine, which brings in the GraphQL library: whoever asks first waits for it, some 0.4 s. A start
    need not, and a platform that nobody asks by GraphQL does without a tenth of its memory.
    """

    settings_model = GraphQLSettings
    settings: GraphQLSettings
    _engine: "Engine | None" = None

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._building = asyncio.Lock()
        self._ending = asyncio.Event()

    async def engine(self) -> "Engine":
        """Built once, beside the event loop."""
        async with self._building:
            if self._engine is None:
                context = self.context.resource(ApiContext)
                self._engine = await asyncio.to_thread(_build, context, self.settings, self._ending)
            return self._engine

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def drain(self, seconds: float) -> None:
        """No new operation on any socket; those that generate have `seconds` to end. HTTP drains by itself."""
        self._ending.set()
        if self._engine is not None:
            await self._engine.drain(seconds)

    async def shutdown(self) -> None:
        await self.drain(0)


def _build(context: ApiContext, settings: GraphQLSettings, ending: asyncio.Event) -> "Engine":
    from app.api.graphql.engine import Engine

    return Engine(context, ending, introspection=settings.introspection, graphiql=settings.graphiql)
