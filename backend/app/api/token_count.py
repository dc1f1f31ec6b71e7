"""How many tokens a request has, by the tokenizer of the model that it names."""

from collections.abc import Callable

from app.api.context import ApiContext
from app.domain.chat import ChatRequest
from app.domain.errors import UnsupportedFeature
from app.domain.exchange import Encoded, Exchange
from app.domain.ports import TokenCounter
from app.domain.principal import Principal
from app.inference.stages.access import check_model


async def count_exactly(
    context: ApiContext,
    principal: Principal,
    model: str,
    encoded: Encoded,
    decode: Callable[[bytes], ChatRequest],
    id: str = "",
) -> int | None:
    """By the first target of `model` that can, this very request too; None where none can. `id`: the request's.

    Raises PermissionDenied, ModelNotFound, and what the provider raises.
    """
    check_model(principal, model)
    for target in context.router.catalog.current.resolve(model):
        if isinstance(target.source, TokenCounter):
            exchange: Exchange[ChatRequest] = Exchange(
                model=target.model, decode=lambda: decode(encoded.body), encoded=encoded, request_id=id
            )
            try:
                return await target.source.count_tokens(exchange)
            except UnsupportedFeature:
                continue
    return None
