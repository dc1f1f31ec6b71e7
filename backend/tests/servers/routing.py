"""Routing for tests that look at one front-end: what a provider answers is what the caller gets."""

import msgspec

from app.domain.prices import Price
from app.inference.policy import ModelPolicy, RoutingPolicy
from app.inference.routes import Routing

ONE_TRY = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=0)))
PRICED = msgspec.structs.replace(ONE_TRY, price=lambda *_: Price(input=1.0, output=100.0))
ONE_MORE = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=1)))
