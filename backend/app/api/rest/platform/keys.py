"""Virtual keys: issue, list, change, rotate, revoke, delete. Who may do what with which: app/accounts/keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.accounts.keys.schemas import KeyChange, KeyFilter, NewKey, Rotation, Status
from app.api.keys import page_shown, shown
from app.api.rest import openapi
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Context
from app.api.rest.json_response import JSON

router = APIRouter(prefix="/v1/keys", tags=["Keys"])

_KEY: dict[str, Any] = {"responses": openapi.told("Key")}


@router.post("", summary="Issue a key", openapi_extra=openapi.wanted("NewKey"), **_KEY)
async def create_key(request: Request, context: Context, actor: Acting) -> Response:
    """`key` in the answer is the key itself. It is told this once: only a digest of it is kept."""
    new = await read_value(request, context.policy(), NewKey)
    key, text = await (await context.accounts.keys()).create(actor, new)
    return JSON(shown(key, text))


def asked(
    owner: str | None = None,
    team: str | None = None,
    parent: str | None = None,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
) -> KeyFilter:
    """`after`: the last id of the page before."""
    return KeyFilter(owner=owner, team=team, parent=parent, status=status, limit=limit, after=after)


@router.get("", summary="List keys, the newest first")
async def list_keys(context: Context, actor: Acting, wanted: Annotated[KeyFilter, Depends(asked)]) -> Response:
    """All for administrators; for others those below their own."""
    return JSON(page_shown(await (await context.accounts.keys()).page(actor, wanted)))


@router.get("/{id}", summary="Retrieve a key", **_KEY)
async def retrieve_key(id: str, context: Context, actor: Acting) -> Response:
    return JSON(shown(await (await context.accounts.keys()).get(actor, id)))


@router.patch("/{id}", summary="Change a key", openapi_extra=openapi.wanted("KeyChange"), **_KEY)
async def change_key(id: str, request: Request, context: Context, actor: Acting) -> Response:
    """What is left out stays as it is; null takes it away."""
    change = await read_value(request, context.policy(), KeyChange)
    return JSON(shown(await (await context.accounts.keys()).change(actor, id, change)))


@router.post("/{id}/rotate", summary="Give a key a new text", openapi_extra=openapi.wanted("Rotation"), **_KEY)
async def rotate_key(id: str, request: Request, context: Context, actor: Acting) -> Response:
    """The text until now goes on being good for `overlap` seconds. The key stays who it was."""
    rotation = await read_value(request, context.policy(), Rotation, empty=Rotation())
    key, text = await (await context.accounts.keys()).rotate(actor, id, rotation)
    return JSON(shown(key, text))


@router.post("/{id}/revoke", summary="Revoke a key, and all that were issued with it", **_KEY)
async def revoke_key(id: str, context: Context, actor: Acting) -> Response:
    """For good. Every process of the platform knows of it within seconds."""
    return JSON(shown(await (await context.accounts.keys()).revoke(actor, id)))


@router.delete("/{id}", summary="Delete a key")
async def delete_key(id: str, context: Context, actor: Acting) -> Response:
    await (await context.accounts.keys()).delete(actor, id)
    return JSON({"id": id, "object": "key", "deleted": True})
