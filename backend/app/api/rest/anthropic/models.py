"""GET /v1/models and /v1/models/{id} for who sends anthropic-version. For all others: rest/openai/models.py.

https://platform.claude.com/docs/en/api/models/list
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app.api.models import visible, visible_entry
from app.api.rest.anthropic.answers import VERSION, id_headers
from app.api.rest.anthropic.dialect import FRONT_END
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.domain.errors import InvalidRequest
from app.inference.entry import ModelEntry

_VERSION = VERSION.encode()
MOST = 1000


class _VersionedRoute(APIRoute):
    """A route that is not there for a request without the version header."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if any(name == _VERSION for name, _ in scope["headers"]):
            return super().matches(scope)
        return Match.NONE, {}


router = APIRouter(route_class=_VersionedRoute, include_in_schema=False)


@router.get("/v1/models")
async def list_models(
    request: Request,
    context: Context,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    after_id: str | None = None,
    before_id: str | None = None,
) -> Response:
    """One page. Without `limit` it holds every model: the platform has few, and clients seldom turn pages."""
    context.check_serving(FRONT_END)
    entries = visible(context, caller)
    page = _page([entry.name for entry in entries], limit, after_id, before_id)
    shown = [_model(entry) for entry in entries[page]]
    body = {
        "data": shown,
        "has_more": page.start > 0 if before_id is not None else page.stop < len(entries),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }
    return JSON(body, headers=id_headers(request.headers))


@router.get("/v1/models/{model:path}")
async def retrieve_model(model: str, request: Request, context: Context, caller: Caller) -> Response:
    context.check_serving(FRONT_END)
    return JSON(_model(visible_entry(context, caller, model)), headers=id_headers(request.headers))


def _page(names: list[str], limit: int, after: str | None, before: str | None) -> slice:
    """Raises InvalidRequest for a cursor that is no model."""
    if before is not None:
        end = _place(names, before, "before_id")
        return slice(max(0, end - limit), end)
    start = 0 if after is None else _place(names, after, "after_id") + 1
    return slice(start, min(start + limit, len(names)))


def _place(names: list[str], name: str, param: str) -> int:
    if name not in names:
        raise InvalidRequest(f"'{param}' names no model.", param=param)
    return names.index(name)


def _model(entry: ModelEntry) -> dict[str, Any]:
    """Anthropic's fields, with null for what is not known, and the epoch for a date that is not."""
    known = entry.known
    created = datetime.fromtimestamp(known.created if known else 0, UTC)
    return {
        "type": "model",
        "id": entry.name,
        "display_name": (known.description if known else None) or entry.name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": known.context_window if known else None,
        "max_tokens": known.max_output_tokens if known else None,
    }
