"""Routing for tests that look at one front-end: what a provider answers is what the caller gets."""

from app.inference.policy import ModelPolicy, RoutingPolicy
from app.inference.routes import Routing

ONE_TRY = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=0)))
ONE_MORE = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=1)))
