"""A stream that ends with its body gets the end that callers know, if it is whole."""

from contextlib import aclosing

import pytest

from app.core.http import OutboundRequest, create_transport
from app.domain.errors import UpstreamError
from app.integrations.kit.stream_end import EndMarkingTransport
from tests.servers.scripted import CUT, JSON, SSE, Reply, ScriptedServer

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
SAID = b'data: {"choices":[{"delta":{"content":"\\"finish_reason\\": \\"stop\\""},"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"


async def received(reply: Reply) -> bytes:
    async with (
        ScriptedServer().on("POST", "/chat", reply) as server,
        aclosing(EndMarkingTransport(create_transport(name="up", base_url=server.url))) as transport,
        aclosing(await transport.open(OutboundRequest(method="POST", path="/chat"))) as response,
        aclosing(response.chunks()) as chunks,
    ):
        assert transport.name == "up"
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("place", range(len(LAST)))
async def test_it_ends_what_was_finished_however_it_arrives(place: int) -> None:
    steps = (TEXT, LAST[:place], LAST[place:]) if place else (TEXT, LAST)
    assert await received(Reply(headers=SSE, steps=steps)) == TEXT + LAST + DONE


@pytest.mark.parametrize(
    "reply",
    [
        Reply(headers=SSE, steps=(TEXT,)),
        Reply(headers=SSE, steps=(SAID,)),
        Reply(headers=SSE, steps=(b'data: {"error":{"message":"no"}}\n\n',)),
        Reply(headers=JSON, steps=(LAST,)),
        Reply(headers=SSE, status=500, steps=(LAST,)),
    ],
    ids=["not finished", "only said so", "an error", "no stream", "a failure"],
)
async def test_it_ends_nothing_else(reply: Reply) -> None:
    assert await received(reply) == b"".join(step for step in reply.steps if isinstance(step, bytes))


async def test_a_body_that_breaks_off_has_no_end() -> None:
    with pytest.raises(UpstreamError):
        await received(Reply(headers=SSE, steps=(TEXT, LAST, CUT)))
