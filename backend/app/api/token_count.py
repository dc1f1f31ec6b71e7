"""A model's tokenizer, asked for a caller: how many tokens a request has, and which."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from app.api.context import ApiContext
from app.domain.chat import ChatRequest
from app.domain.errors import UnsupportedFeature
from app.domain.exchange import Encoded, Exchange
from app.domain.limits import Estimate, Tier
from app.domain.ports import TokenCounter
from app.domain.principal import Principal
from app.inference.call import Target
from app.inference.stages.access import check_model
from app.inference.stages.admit import check_tier

P = TypeVar("P")
T = TypeVar("T")


async def count_exactly(
    context: ApiContext,
    principal: Principal,
    model: str,
    encoded: Encoded,
    decode: Callable[[bytes], ChatRequest],
    id: str = "",
) -> int | None:
    """None where no target of `model` can count this request. `id`: the request's. Raises as `first_that_can`."""

    async def count(source: TokenCounter, target: Target) -> int:
        exchange: Exchange[ChatRequest] = Exchange(
            model=target.model, decode=lambda: decode(encoded.body), encoded=encoded, request_id=id
        )
        return await source.count_tokens(exchange)

    return await first_that_can(context, principal, model, TokenCounter, count)


async def first_that_can(
    context: ApiContext,
    principal: Principal,
    model: str,
    port: type[P],
    ask: Callable[[P, Target], Awaitable[T]],
) -> T | None:
    """What the first target of `model` says that satisfies `port`, and can do this very request; None where none.

    Where a provider is asked, it is one request by the limits of the caller's tier, and no tokens. Raises
    PermissionDenied, ModelNotFound, RateLimited, and what the provider raises.
    """
    check_model(principal, model)
    tier = context.admission.tier_of(principal) if context.admission is not None else None
    if tier is not None:
        check_tier(tier, model)
    able = [
        (target.source, target)
        for target in context.router.catalog.current.resolve(model)
        if isinstance(target.source, port)
    ]
    if not able:
        return None
    async with _counted(context, principal, tier):
        for source, target in able:
            with suppress(UnsupportedFeature):
                return await ask(source, target)
    return None


@asynccontextmanager
async def _counted(context: ApiContext, principal: Principal, tier: Tier | None) -> AsyncIterator[None]:
    if context.admission is None or tier is None or not tier.rates:
        yield
        return
    reservation = await context.admission.reserve(principal, tier, Estimate(0, 0))
    try:
        yield
    finally:
        reservation.settle(None)
