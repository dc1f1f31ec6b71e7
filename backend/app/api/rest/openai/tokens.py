"""POST /tokenize and /detokenize, as vLLM has them: by the model's own tokenizer, where its integration can.

https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/serve/tokenize/protocol.py
"""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.asgi import headers_of, read_body
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.openai.switch import openai_api_serves
from app.api.token_count import first_that_can
from app.domain.chat import ChatRequest
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.domain.exchange import Encoded, Exchange
from app.domain.tokens import Tokenizer, Tokens
from app.inference.call import Target
from app.wire.head import Head, Peek
from app.wire.json_limits import check_depth
from app.wire.openai_chat import request as chat

router = APIRouter(tags=["OpenAI"], dependencies=[Depends(openai_api_serves)])

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Text(Head, gc=False, kw_only=True):
    """Which messages are good is for the chat's format to say."""

    prompt: str | None = None
    messages: list[msgspec.Raw] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None


class _Ids(Head, gc=False, kw_only=True):
    tokens: Annotated[list[_Id], msgspec.Meta(max_length=1 << 20)]


_peek_text = Peek(_Text, b'"model"')
_peek_ids = Peek(_Ids, b'"model"')


@router.post("/tokenize", summary="Put a text or a chat into tokens")
async def tokenize(request: Request, context: Context, caller: Caller) -> Response:
    """`prompt`, or `messages` and whatever else a chat takes. `add_special_tokens` (true) is for a prompt: what is
    around a chat is the model's own affair. `return_token_strs`: with each token as text.
    """
    body = await _read(request, context)
    head = _peek_text(body)
    if (head.prompt is None) is (head.messages is None):
        raise InvalidRequest("Either 'prompt' or 'messages' has to be there.", param="prompt")
    if head.prompt is None:
        chat.peek(body)

    async def ask(source: Tokenizer, target: Target) -> dict[str, Any]:
        return _told(await _tokens(source, target, head, body), target)

    found = await first_that_can(context, caller, head.model, Tokenizer, ask)
    if found is None:
        raise _lacking(head.model)
    return JSON(found)


@router.post("/detokenize", summary="Put tokens back into a text")
async def detokenize(request: Request, context: Context, caller: Caller) -> Response:
    head = _peek_ids(await _read(request, context))

    async def ask(source: Tokenizer, target: Target) -> str:
        return await source.detokenize(target.model, head.tokens)

    text = await first_that_can(context, caller, head.model, Tokenizer, ask)
    if text is None:
        raise _lacking(head.model)
    return JSON({"prompt": text})


async def _read(request: Request, context: Context) -> bytes:
    policy = context.policy()
    body = await read_body(headers_of(request.scope), request.receive, policy.body_bytes)
    check_depth(body, policy.json_depth)
    return body


async def _tokens(source: Tokenizer, target: Target, head: _Text, body: bytes) -> Tokens:
    pieces = head.return_token_strs is True
    if head.prompt is not None:
        special = head.add_special_tokens is not False
        return await source.tokenize(target.model, head.prompt, special=special, pieces=pieces)
    exchange: Exchange[ChatRequest] = Exchange(
        model=target.model,
        decode=lambda: chat.decode(body),
        encoded=Encoded(chat.FORMAT, body, chat.splice),
    )
    return await source.tokenize_chat(exchange, pieces=pieces)


def _told(tokens: Tokens, target: Target) -> dict[str, Any]:
    return {
        "count": len(tokens.ids),
        "max_model_len": target.context_window or (target.known.context_window if target.known else None),
        "tokens": tokens.ids,
        "token_strs": tokens.pieces,
    }


def _lacking(model: str) -> UnsupportedFeature:
    return UnsupportedFeature(f"Nobody who serves '{model}' can put this into tokens, or back.", param="model")
