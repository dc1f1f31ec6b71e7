"""A caller's key may be good for some models only. Asked once here, whatever the front-end."""

from collections.abc import Awaitable, Callable

from app.domain.errors import PermissionDenied
from app.domain.events import EventStream
from app.domain.principal import Principal
from app.inference.call import Call


async def check_models(call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
    """A stage. It stands before whatever looks the model up, so its answer tells nothing of what there is."""
    check_model(call.principal, call.model)
    return await proceed(call)


def check_model(principal: Principal, model: str) -> None:
    """Raises PermissionDenied."""
    if not principal.may_use(model):
        raise PermissionDenied(
            f"This key may not use the model '{model[:200]}'. GET /v1/models lists those that it may.",
            code="model_not_allowed",
            param="model",
        )
