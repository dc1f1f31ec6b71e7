"""Catalogues of scripted targets for tests of the router."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.domain.chat import ChatRequest
from app.domain.models import ModelInfo
from app.inference.call import Call, Target
from app.inference.catalog import Catalog, LiveCatalog, Source
from app.inference.policy import ModelPolicy, RoutingPolicy
from app.inference.routes import ConfiguredModel, Route, Routing
from app.inference.vitals import Fleet, Vitals
from app.testing.providers import ScriptedProvider

ASKED = ChatRequest(model="m", messages=())


def target(name: str = "m", *, info: Mapping[str, Any] | None = None, **fields: Any) -> Target:
    """`info`: what is known of its model."""
    known = None if info is None else ModelInfo(id=name, provider="p", **info)
    return Target(
        source=ScriptedProvider([], name=f"at-{name}"),
        model=name,
        known=known,
        vitals=Vitals(RoutingPolicy()),
        context_window=known.context_window if known else None,
        **fields,
    )


def model(*integrations: str, policy: ModelPolicy | None = None, **fields: Any) -> ConfiguredModel:
    """A model of that many targets, each `model` at one integration, in the order of their priority."""
    routes = [
        Route(integration=name, model="model", priority=place, **fields) for place, name in enumerate(integrations)
    ]
    return ConfiguredModel(routes=routes, policy=policy or ModelPolicy())


def live(
    providers: Sequence[ScriptedProvider],
    models: Mapping[str, ConfiguredModel],
    policy: RoutingPolicy | None = None,
) -> LiveCatalog:
    sources = [Source(source=provider, serving=True) for provider in providers]
    catalog = LiveCatalog(lambda: sources, Routing(models=models, policy=policy or RoutingPolicy()))
    catalog.rebuild()
    return catalog


@functools.cache
def provider(name: str) -> ScriptedProvider:
    """The same one each time, as an integration is that stays."""
    return ScriptedProvider([], name=name)


def snapshot(models: Mapping[str, ConfiguredModel], fleet: Fleet | None = None) -> Catalog:
    names = {route.integration for each in models.values() for route in each.routes}
    sources = [Source(source=provider(name), serving=True) for name in sorted(names)]
    return Catalog(sources, Routing(models=models), fleet=fleet)


def call_for(name: str = "m", **fields: Any) -> Call:
    return msgspec.structs.replace(
        Call(id="c", operation="chat", model=name, decode=lambda: ASKED, stream=True), **fields
    )
