"""POST /v1/responses as a Dialect of the hot endpoint. What it remembers: responses_state.py."""

from functools import partial

from app.api.context import ApiContext
from app.api.rest.inference import Dialect, InferenceEndpoint
from app.api.rest.openai.responses_state import ResponseState, decode
from app.api.rest.openai.switch import FRONT_END
from app.domain.events import EventStream
from app.domain.ports import ResponseStore
from app.domain.streams import collect
from app.wire.openai_chat import errors
from app.wire.openai_responses import request, response
from app.wire.openai_responses.echo import echo
from app.wire.openai_responses.head import ResponsesHead
from app.wire.openai_responses.stream_encoder import StreamEncoder

PATH = "/v1/responses"


async def _fold(head: ResponsesHead, stream: EventStream) -> bytes:
    return response.encode(await collect(stream), echo(head))


RESPONSES = Dialect(
    name=FRONT_END,
    operation="chat",
    format=request.FORMAT,
    look=request.peek.look,
    decode=decode,
    splice=request.splice,
    fold=_fold,
    encoder=lambda head: StreamEncoder(echo(head)),
    error=errors.encode,
)


def response_state(context: ApiContext) -> ResponseState:
    return ResponseState(context.router.open, lambda: context.manager.providing(ResponseStore))


def endpoint(context: ApiContext) -> InferenceEndpoint:
    state = response_state(context)
    return InferenceEndpoint(
        PATH,
        RESPONSES,
        state.open,
        context.policy,
        partial(context.check_serving, RESPONSES.name),
        partial(context.once.open, context.router.open),
    )
