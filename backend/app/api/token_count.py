"""How many tokens a request has, by the tokenizer of the model that it names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from app.api.context import ApiContext
from app.domain.chat import ChatRequest
from app.domain.errors import UnsupportedFeature
from app.domain.exchange import Encoded, Exchange
from app.domain.limits import Estimate, Tier
from app.domain.ports import TokenCounter
from app.domain.principal import Principal
from app.inference.stages.access import check_model
from app.inference.stages.admit import check_tier


async def count_exactly(
    context: ApiContext,
    principal: Principal,
    model: str,
    encoded: Encoded,
    decode: Callable[[bytes], ChatRequest],
    id: str = "",
) -> int | None:
    """By the first target of `model` that can, this very request too; None where none can. `id`: the request's.

    Where a provider is asked, it is one request by the limits of the caller's tier, and no tokens. Raises
    PermissionDenied, ModelNotFound, RateLimited, and what the provider raises.
    """
    check_model(principal, model)
    tier = context.admission.tier_of(principal) if context.admission is not None else None
    if tier is not None:
        check_tier(tier, model)
    targets = [
        (target.source, target.model)
        for target in context.router.catalog.current.resolve(model)
        if isinstance(target.source, TokenCounter)
    ]
    if not targets:
        return None
    async with _counted(context, principal, tier):
        for source, own_name in targets:
            exchange: Exchange[ChatRequest] = Exchange(
                model=own_name, decode=lambda: decode(encoded.body), encoded=encoded, request_id=id
            )
            with suppress(UnsupportedFeature):
                return await source.count_tokens(exchange)
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
