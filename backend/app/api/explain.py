"""Who may ask why a request went where it went: whoever made it, and those who run the platform."""

from app.api.context import ApiContext
from app.domain.errors import NotFound
from app.domain.principal import Principal
from app.domain.roles import Right
from app.inference.explanation import Explanation


async def explain(context: ApiContext, id: str, principal: Principal) -> Explanation:
    """Raises NotFound, for another's request too: that it exists is nobody else's business."""
    found = await context.explain(id, None if principal.may(Right.SEE_REQUESTS) else principal.id)
    if found is None:
        raise NotFound(
            f"No request '{id[:128]}' of yours is known here: it may be under way still, or too long ago.",
            code="request_not_found",
            param="id",
        )
    return found
