"""A generation as a call to the router: the one place where this front-end makes one."""

from app.api.graphql.front_end import FRONT_END
from app.api.graphql.inputs import Generation
from app.api.graphql.request import Asked
from app.inference.call import Call


def make_call(asked: Asked, wanted: Generation, *, stream: bool) -> Call:
    """Raises InvalidRequest."""
    request = wanted.request(stream=stream)
    return Call(
        id=asked.next_id(),
        operation="chat",
        model=wanted.model,
        decode=lambda: request,
        stream=stream,
        principal=asked.principal,
        front_end=FRONT_END,
        route="WebSocket /graphql" if stream else "POST /graphql",
        trace=asked.trace,
    )
