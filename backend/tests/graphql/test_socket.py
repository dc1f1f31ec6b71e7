"""graphql-transport-ws to the letter: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import asyncio
import json

import pytest

from app.api.graphql import limits
from app.domain.events import Started
from app.testing.providers import ScriptedProvider
from tests.graphql.client import connected, dialled
from tests.graphql.gateway import FRAME_BYTES, gateway

QUERY = "{ models { id } }"
ENDLESS = 'subscription { generate(model: "model", prompt: "hi") { __typename } }'


async def test_the_protocol_is_agreed_on() -> None:
    async with (
        gateway() as platform,
        dialled(platform.url, protocols=("graphql-ws", "graphql-transport-ws")) as client,
    ):
        assert client.socket.subprotocol == "graphql-transport-ws"


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), ("other",)])
async def test_the_legacy_protocol_and_others_are_refused(protocols: tuple[str, ...]) -> None:
    async with gateway() as platform, dialled(platform.url, protocols=protocols) as client:
        code, reason = await client.closed()
        assert code == 4406
        assert "graphql-transport-ws" in reason


async def test_a_ping_is_answered_at_any_time() -> None:
    async with gateway() as platform, dialled(platform.url) as client:
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}
        await client.send(type="pong")
        await client.send(type="connection_init")
        assert await client.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize("operation", [QUERY, 'mutation { generateText(model: "model", prompt: "x") { text } }'])
async def test_queries_and_mutations_run_on_a_socket_too(operation: str) -> None:
    async with gateway() as platform, connected(platform.url) as client:
        await client.subscribe(operation)
        [answer, end] = await client.until_end()
        assert answer["payload"]["data"]
        assert end == {"id": "1", "type": "complete"}


FAULTS = [
    ("not json", 4400),
    ("[]", 4400),
    ('{"type": "unknown"}', 4400),
    ('{"type": "subscribe", "id": "1"}', 4400),
    ('{"type": "subscribe", "id": 1, "payload": {"query": "{models{id}}"}}', 4400),
    ('{"type": "subscribe", "id": "", "payload": {"query": "{models{id}}"}}', 4400),
    (json.dumps({"type": "subscribe", "id": "x" * 129, "payload": {"query": QUERY}}), 4400),
    ('{"type": "connection_init", "payload": 1}', 4400),
    ('{"type": "ping", "payload": ' + "[" * 70 + "]" * 70 + "}", 4400),
    ('{"type": "connection_init"}', 4429),
    (b"\x00binary", 4400),
    ("x" * (FRAME_BYTES + 1), 1009),
]


@pytest.mark.parametrize(("message", "code"), FAULTS)
async def test_a_broken_message_closes_the_socket(message: str | bytes, code: int) -> None:
    async with gateway() as platform, connected(platform.url) as client:
        await client.socket.send(message)
        assert (await client.closed())[0] == code
        assert platform.provider.exchanges == []


async def test_nothing_runs_before_the_socket_is_initialised() -> None:
    async with gateway() as platform, dialled(platform.url) as client:
        await client.subscribe(QUERY)
        assert (await client.closed())[0] == 4401


async def test_who_never_initialises_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INIT_SECONDS", 0.05)
    async with gateway() as platform, dialled(platform.url) as client:
        await client.send(type="ping")
        assert (await client.closed())[0] == 4408


async def test_an_id_is_used_once_at_a_time() -> None:
    provider = ScriptedProvider((Started(id="g", model="model", created=1), asyncio.Event()))
    async with gateway(provider) as platform, connected(platform.url) as client:
        await client.subscribe(ENDLESS)
        await client.receive()
        await client.subscribe(QUERY)
        assert (await client.closed())[0] == 4409
        assert provider.closed == 1


async def test_a_socket_has_room_for_so_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPERATIONS", 2)
    provider = ScriptedProvider((Started(id="g", model="model", created=1), asyncio.Event()))
    async with gateway(provider) as platform, connected(platform.url) as client:
        for id in ("a", "b", "c"):
            await client.subscribe(ENDLESS, id=id)
        messages = [await client.receive() for _ in range(3)]
        [refused] = [each for each in messages if each["type"] == "error"]
        assert refused["id"] == "c"
        assert refused["payload"][0]["extensions"]["type"] == "too_many_operations"
        assert len(provider.exchanges) == 2
