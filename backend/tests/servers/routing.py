"""Routing for tests that look at one front-end: what a provider answers is what the caller gets."""

import msgspec

from app.domain.prices import Price
from app.inference.policy import ModelPolicy, RoutingPolicy
from app.inference.routes import ConfiguredModel, Route, Routing

ONE_TRY = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=0)))
PRICED = msgspec.structs.replace(ONE_TRY, price=lambda *_: Price(input=1.0, output=100.0))


def one_place(queue_wait: float = 30.0) -> Routing:
    """The model `one` writes one answer at a time."""
    policy = RoutingPolicy(default=ModelPolicy(retries=0), queue_wait=queue_wait)
    route = Route(integration="scripted", model="model", slots=1)
    return Routing(models={"one": ConfiguredModel(routes=[route], policy=policy.default)}, policy=policy)


ONE_MORE = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=1)))
