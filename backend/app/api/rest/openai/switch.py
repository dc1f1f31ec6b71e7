"""OPENAI_API_ENABLED for the routes of the dialect that FastAPI serves."""

from app.api.rest.context import Caller, Context

FRONT_END = "openai_api"


def openai_api_serves(context: Context, caller: Caller) -> None:
    """Raises Unauthenticated first, then NotFound while the front-end is switched off."""
    context.check_serving(FRONT_END)
