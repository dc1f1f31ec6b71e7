"""GraphQL as an integration: it starts, drains and can be switched off like any other."""

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from app.api.context import ApiContext
from app.core.integration_framework import BaseIntegration
from app.domain.errors import NotFound

if TYPE_CHECKING:
    from app.api.graphql.engine import Engine

FRONT_END = "graphql"


class GraphQLSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    introspection: bool = Field(default=False, description="Tell the schema to whoever asks.")
    graphiql: bool = Field(default=False, description="Show GraphiQL to browsers; its scripts come from a CDN.")


class GraphQLApi(BaseIntegration):
    """Owns the engine, which brings in the GraphQL library; nothing before it is started does."""

    settings_model = GraphQLSettings
    settings: GraphQLSettings
    _engine: "Engine | None" = None

    @property
    def engine(self) -> "Engine":
        """Raises NotFound while there is none."""
        if self._engine is None:
            raise NotFound(f"The front-end '{FRONT_END}' is switched off.", code="front_end_off")
        return self._engine

    async def initialize(self) -> None:
        self._engine = await asyncio.to_thread(_build, self.context.resource(ApiContext), self.settings)

    async def health_check(self) -> None:
        return None

    async def drain(self, seconds: float) -> None:
        """No new operation on any socket; those that generate have `seconds` to end. HTTP drains by itself."""
        if self._engine is not None:
            await self._engine.drain(seconds)

    async def shutdown(self) -> None:
        if self._engine is not None:
            await self._engine.drain(0)


def _build(context: ApiContext, settings: GraphQLSettings) -> "Engine":
    from app.api.graphql.engine import Engine

    return Engine(context, introspection=settings.introspection, graphiql=settings.graphiql)
