"""A key that is revoked, has ended or is rotated: on the next request, and on what goes on and on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from app.accounts.audit.schemas import Actor
from app.accounts.keys.schemas import Rotation
from app.api.grpc.generated.llm_platform.v1 import models_pb2
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from app.api.identity import OPERATOR
from tests.access.routes import IN, STRANGER, ask
from tests.graphql.client import dialled
from tests.servers.raw_client import get
from tests.servers.whole_platform import MASTER, Whole, whole_platform
from tests.websocket.gateway import Client, connect

pytestmark = pytest.mark.asyncio(loop_scope="module")

EACH = [
    "POST /v1/chat/completions",
    "GraphQL Query.models",
    "gRPC llm_platform.v1.Inference/ChatUnary",
    "WebSocket /ws/chat",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("revoking")) as platform:
        yield platform


async def test_a_revoked_key_is_none_from_then_on(whole: Whole) -> None:
    id = await whole.issue("ann")
    for route in EACH:
        assert await ask(whole, route, whole.header("ann")) == IN
    await whole.revoke(id)
    for route in EACH:
        assert await ask(whole, route, whole.header("ann")) == STRANGER
    told = (await get(whole.port, "/v1/models", whole.header("ann"))).json()["error"]
    assert (told["code"], "revoked" in told["message"]) == ("invalid_api_key", True)


async def test_a_key_that_has_ended_says_so(whole: Whole) -> None:
    await whole.issue("brief", expires_in=0.05)
    await asyncio.sleep(0.06)
    reply = await get(whole.port, "/v1/models", whole.header("brief"))
    assert (reply.status, "expired" in reply.json()["error"]["message"]) == (401, True)


async def test_a_rotated_key_goes_on_as_the_same_principal(whole: Whole) -> None:
    id = await whole.issue("bob")
    service = await whole.platform.accounts.keys()
    actor = Actor(principal=OPERATOR, request_id="test", front_end="test")
    _, new = await service.rotate(actor, id, Rotation(overlap=60.0))
    authenticate = whole.platform.policy.authenticator.authenticate
    assert (await authenticate(whole.keys["bob"])).id == (await authenticate(new)).id == f"key:{id}"
    _, newest = await service.rotate(actor, id, Rotation(overlap=0.0))
    for text, status in ((new, 401), (newest, 200)):
        assert (await get(whole.port, "/v1/models", {"x-api-key": text})).status == status


async def test_what_goes_on_and_on_ends_with_the_key(whole: Whole) -> None:
    id = await whole.issue("watcher", roles=("operator",))
    header = whole.header("watcher")
    base = f"ws://127.0.0.1:{whole.port}"
    async with (
        asyncio.timeout(20),
        connect(f"{base}/ws/models", additional_headers=header) as socket,
        dialled(f"{base}/graphql", headers=header) as client,
        grpc.aio.insecure_channel(whole.grpc_target) as channel,
    ):
        await Client(socket).frame()
        await client.send(type="connection_init")
        await client.receive()
        await client.subscribe("subscription { modelStatusUpdates { id } }")
        await client.receive()
        stub: Any = ModelsStub(channel)
        watching = stub.WatchModels(
            models_pb2.WatchModelsRequest(), metadata=(("x-api-key", whole.keys["watcher"]),)
        )
        while (await watching.read()).kind != models_pb2.ModelChange.KIND_COMPLETE:
            pass
        async with connect(f"{base}/ws/metrics", additional_headers=header) as figures:
            await Client(figures).frame()
            await whole.revoke(id)
            assert await ask(whole, EACH[0], {"x-api-key": MASTER}) == IN  # which changes the figures
            assert (await Client(figures).frame())["status"] == 401
            assert await Client(figures).closed() == 1008
        whole.platform.router.catalog.rebuild()
        assert (await client.receive())["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (await Client(socket).frame())["status"] == 401
        assert await Client(socket).closed() == 1008
