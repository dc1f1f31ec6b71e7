"""POST /v1/messages/count_tokens: by the model's own tokenizer where its integration can, else estimated.

An estimate says so: in the header `x-llm-token-count: estimated` (else `exact`), and by `"estimated": true` beside
`input_tokens`. https://platform.claude.com/docs/en/api/messages/count_tokens
"""

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.asgi import headers_of, read_body
from app.api.context import ApiContext
from app.api.rest.anthropic.answers import id_headers
from app.api.rest.anthropic.dialect import FRONT_END, KEPT_HEADERS, decode
from app.api.rest.context import Caller, Context
from app.api.rest.inference import kept
from app.api.rest.json_response import JSON
from app.domain.chat import ChatRequest
from app.domain.exchange import Encoded, Exchange
from app.domain.ports import TokenCounter
from app.domain.token_estimate import estimate_tokens
from app.wire.anthropic_messages import request as wire
from app.wire.json_limits import check_depth

PATH = "/v1/messages/count_tokens"
COUNT_HEADER = "x-llm-token-count"
router = APIRouter(tags=["Anthropic"])


@router.post(PATH, summary="Count the tokens of a request for a message")
async def count_tokens(request: Request, context: Context, caller: Caller) -> Response:
    """Takes what POST /v1/messages takes. `estimated` is there, and true, when no tokenizer was asked."""
    context.check_serving(FRONT_END)
    policy, headers = context.policy(), headers_of(request.scope)
    body = await read_body(headers, request.receive, policy.body_bytes)
    check_depth(body, policy.json_depth)
    head = wire.peek_count(body)
    ids = id_headers(request.headers)
    encoded = Encoded(wire.FORMAT, body, wire.splice, kept(headers, KEPT_HEADERS))
    exact = await _counted(context, head.model, encoded, ids["request-id"])
    if exact is not None:
        return JSON({"input_tokens": exact}, headers={**ids, COUNT_HEADER: "exact"})
    found = {"input_tokens": estimate_tokens(decode(body)), "estimated": True}
    return JSON(found, headers={**ids, COUNT_HEADER: "estimated"})


async def _counted(context: ApiContext, model: str, encoded: Encoded, id: str) -> int | None:
    """By the first target of `model` that can count. Raises ModelNotFound, and what the provider raises."""
    for target in context.router.catalog.current.resolve(model):
        if isinstance(target.source, TokenCounter):
            exchange: Exchange[ChatRequest] = Exchange(
                model=target.model, decode=partial(decode, encoded.body), encoded=encoded, request_id=id
            )
            return await target.source.count_tokens(exchange)
    return None
