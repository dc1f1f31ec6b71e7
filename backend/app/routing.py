"""From the settings of routing to what the router works with."""

from typing import TypeVar

from app.domain.prices import Price
from app.inference.policy import BreakerPolicy, CachePolicy, ModelPolicy, RoutingPolicy, Timeouts
from app.inference.price_list import PriceList
from app.inference.routes import ConfiguredModel, Route, Routing
from app.integrations.model_platforms.openai_compatible.catalogue import SERVERS
from app.settings import ModelSettings, Settings, TargetSettings
from app.settings.names import way_of
from app.settings.prices import PriceSettings

T = TypeVar("T")

OWN = frozenset({"ollama", "custom_models", "llama_stack", *(server.kind for server in SERVERS)})
"""Kinds of integrations that run on machines of one's own."""


def routing(settings: Settings) -> Routing:
    wanted = settings.routing
    default = ModelPolicy(
        strategy=wanted.strategy,
        retries=wanted.retries,
        fallbacks=wanted.fallbacks,
        timeouts=Timeouts(
            first_token=settings.timeouts.first_token,
            idle=settings.timeouts.idle,
            total=settings.timeouts.total,
        ),
    )
    return Routing(
        models={name: _model(model, default) for name, model in settings.models.items()},
        aliases={alias: way_of(alias, settings.aliases, settings.models)[-1] for alias in settings.aliases},
        policy=RoutingPolicy(
            default=default,
            breaker=BreakerPolicy(
                failures=wanted.breaker.failures,
                cooldown=wanted.breaker.cooldown,
                max_cooldown=wanted.breaker.max_cooldown,
            ),
            retry_budget=wanted.retry_budget,
            hedge_budget=wanted.hedge_budget,
            rate_limit_rest=wanted.rate_limit_rest,
            queue_wait=wanted.queue_wait,
        ),
        price=PriceList({name: _price(price) for name, price in settings.prices.items()}),
        own=OWN,
    )


def _model(model: ModelSettings, default: ModelPolicy) -> ConfiguredModel:
    own = model.timeouts
    policy = ModelPolicy(
        strategy=model.strategy or default.strategy,
        retries=_or(model.retries, default.retries),
        retries_by_cause=model.retries_by_cause,
        fallbacks=model.fallbacks or default.fallbacks,
        context_fallbacks=model.context_fallbacks,
        content_fallbacks=model.content_fallbacks,
        timeouts=Timeouts(
            first_token=_or(own.first_token, default.timeouts.first_token),
            idle=_or(own.idle, default.timeouts.idle),
            total=_or(own.total, default.timeouts.total),
        ),
        hedge_after=model.hedge_after,
        cache=CachePolicy(ttl=model.cache.ttl, shared=model.cache.shared, coalesce=model.cache.coalesce)
        if model.cache
        else None,
    )
    return ConfiguredModel(routes=[_route(target) for target in model.targets], policy=policy)


def _price(price: PriceSettings) -> Price:
    return Price(
        input=price.input,
        output=price.output,
        cached_input=price.cached_input,
        cache_write=price.cache_write,
        per_hour=price.hourly,
    )


def _route(target: TargetSettings) -> Route:
    return Route(
        integration=target.integration,
        model=target.model,
        priority=target.priority,
        weight=target.weight,
        slots=target.max_concurrent,
        rpm=target.requests_per_minute,
        tpm=target.tokens_per_minute,
        context_window=target.context_window,
    )


def _or(value: T | None, otherwise: T) -> T:
    return otherwise if value is None else value
