"""Hands a generation to the router: the one place where this front-end makes a call."""

from app.api.graphql.front_end import FRONT_END
from app.api.graphql.inputs import Generation
from app.api.graphql.request import Asked
from app.domain.events import EventStream
from app.inference.call import Call


async def open_stream(asked: Asked, wanted: Generation, *, stream: bool) -> EventStream:
    """Whoever gets the stream closes it. Raises what the router raises, before the first event; and
    InvalidRequest.
    """
    request = wanted.request(stream=stream)
    call = Call(
        id=asked.next_id(),
        operation="chat",
        model=wanted.model,
        decode=lambda: request,
        stream=stream,
        principal=asked.principal,
        front_end=FRONT_END,
    )
    return await asked.api.router.open(call)
