"""POST /v1/messages/count_tokens: by the model's own tokenizer where its integration can, else estimated.

An estimate says so: in the header `x-llm-token-count: estimated` (else `exact`), and by `"estimated": true` beside
`input_tokens`. https://platform.claude.com/docs/en/api/messages/count_tokens
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.asgi import headers_of, kept, read_body
from app.api.rest.anthropic.answers import id_headers
from app.api.rest.anthropic.dialect import FRONT_END, KEPT_HEADERS, decode
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.api.token_count import count_exactly
from app.domain.exchange import Encoded
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
    exact = await count_exactly(context, caller, head.model, encoded, decode, ids["request-id"])
    if exact is not None:
        return JSON({"input_tokens": exact}, headers={**ids, COUNT_HEADER: "exact"})
    found = {"input_tokens": estimate_tokens(decode(body)), "estimated": True}
    return JSON(found, headers={**ids, COUNT_HEADER: "estimated"})
