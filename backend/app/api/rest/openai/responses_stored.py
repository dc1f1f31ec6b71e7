"""GET and DELETE /v1/responses/{id}, its input items, and POST /v1/responses/input_tokens."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.api.asgi import headers_of, read_body
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.openai.responses import response_state
from app.api.rest.openai.responses_state import decode
from app.api.rest.openai.switch import openai_api_serves
from app.api.token_count import count_exactly
from app.domain.errors import InvalidRequest, NotFound, UnsupportedFeature
from app.domain.exchange import Encoded
from app.domain.responses import StoredResponse
from app.domain.token_estimate import estimate_tokens
from app.wire.json_limits import check_depth
from app.wire.json_text import parse_request
from app.wire.openai_responses import request as wire
from app.wire.openai_responses.history import listed

router = APIRouter(prefix="/v1/responses", tags=["OpenAI"], dependencies=[Depends(openai_api_serves)])


@router.get("/{id}", summary="Retrieve a stored response")
async def retrieve_response(id: str, context: Context, caller: Caller, stream: bool = False) -> Response:
    if stream:
        raise UnsupportedFeature("A stored response can't be streamed again.", param="stream")
    found = await _stored(id, context, caller)
    return Response(found.body, media_type="application/json")


@router.delete("/{id}", summary="Delete a stored response")
async def delete_response(id: str, context: Context, caller: Caller) -> Response:
    if not await response_state(context).store().delete_response(id, caller.id):
        raise _missing(id)
    return JSON({"id": id, "object": "response", "deleted": True})


@router.get("/{id}/input_items", summary="List what was given for a stored response")
async def list_input_items(
    id: str,
    context: Context,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> Response:
    """The request's own items, without those of the responses that it goes on from."""
    found = await _stored(id, context, caller)
    items = listed(found.items, found.id)
    if order == "desc":
        items.reverse()
    start = _after(items, after)
    page = items[start : start + limit]
    return JSON(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": start + limit < len(items),
        }
    )


@router.post("/input_tokens", summary="Count the tokens of a request")
async def count_input_tokens(request: Request, context: Context, caller: Caller) -> Response:
    """By the model's own tokenizer where its integration can; else, or without a model, `estimated` is true."""
    policy = context.policy()
    body = await read_body(headers_of(request.scope), request.receive, policy.body_bytes)
    check_depth(body, policy.json_depth)
    fields = parse_request(body)
    if type(fields) is not dict:
        raise InvalidRequest("The body has to be an object.")
    body = msgspec.json.encode({"model": "", "input": [], **fields})
    if type(previous := fields.get("previous_response_id")) is str:
        state = response_state(context)
        body = await state.expanded(body, previous, caller.id, state.store())
    elif not fields.get("input"):
        raise InvalidRequest("'input' has to be a text or an array of items.", param="input")
    if fields.get("model") is not None:
        encoded = Encoded(wire.FORMAT, body, wire.splice)
        exact = await count_exactly(context, caller, wire.peek(body).model, encoded, decode)
        if exact is not None:
            return JSON({"object": "response.input_tokens", "input_tokens": exact})
    tokens = estimate_tokens(decode(body))
    return JSON({"object": "response.input_tokens", "input_tokens": tokens, "estimated": True})


async def _stored(id: str, context: Context, caller: Caller) -> StoredResponse:
    found = await response_state(context).store().get_response(id, caller.id)
    if found is None:
        raise _missing(id)
    return found


def _missing(id: str) -> NotFound:
    return NotFound(f"There is no response '{id[:128]}'.", code="response_not_found", param="response_id")


def _after(items: list[dict[str, Any]], after: str | None) -> int:
    if after is None:
        return 0
    for index, item in enumerate(items):
        if item["id"] == after:
            return index + 1
    raise InvalidRequest("'after' names no item of this response.", param="after")
