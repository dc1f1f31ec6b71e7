"""A client that others wrote: gql, https://gql.readthedocs.io"""

import asyncio
from contextlib import aclosing

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

from app.domain.errors import UpstreamUnavailable
from app.domain.events import Started, TextDelta
from app.testing.providers import ScriptedProvider
from tests.graphql.gateway import KEY, gateway
from tests.rest.gateway import eventually

GENERATE = gql('subscription { generate(model: "model", prompt: "hi") { ... on TextDelta { text } } }')


async def test_the_schema_is_fetched_and_an_answer_arrives_piece_by_piece() -> None:
    async with gateway(key=KEY, developing=True) as platform:
        transport = WebsocketsTransport(platform.url, init_payload={"authorization": f"Bearer {KEY}"})
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            found = await session.execute(gql("{ models { id } }"))
            assert found == {"models": [{"id": "model"}]}
            pieces = [each["generate"].get("text", "") async for each in session.subscribe(GENERATE)]
            assert "".join(pieces) == "Hello"


async def test_an_error_arrives_as_one() -> None:
    script = (Started(id="g", model="model", created=1), TextDelta(text="a"), UpstreamUnavailable("It broke."))
    async with gateway(ScriptedProvider(script)) as platform:
        async with Client(transport=WebsocketsTransport(platform.url)) as session:
            with pytest.raises(TransportQueryError) as failed:
                _ = [each async for each in session.subscribe(GENERATE)]
        assert failed.value.errors
        assert failed.value.errors[0]["extensions"]["code"] == "UNAVAILABLE"
        assert platform.provider.closed == 1


async def test_leaving_the_loop_closes_the_upstream() -> None:
    provider = ScriptedProvider((Started(id="g", model="model", created=1), asyncio.Event()))
    async with gateway(provider) as platform, Client(transport=WebsocketsTransport(platform.url)) as session:
        async with aclosing(session.subscribe(GENERATE)) as pieces:
            await anext(pieces)
        await eventually(lambda: provider.closed == 1)


async def test_without_its_key_it_does_not_come_in() -> None:
    async with gateway(key=KEY) as platform:
        with pytest.raises(TransportConnectionFailed) as refused:
            async with Client(transport=WebsocketsTransport(platform.url)):
                pass
        assert isinstance(refused.value.__cause__, ConnectionClosed)
        assert refused.value.__cause__.rcvd is not None
        assert refused.value.__cause__.rcvd.code == 4403
