"""A key that is good for some models is good for no other, whatever the front-end; and is told of no other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from app.api.grpc.generated.llm_platform.v1 import inference_pb2, models_pb2
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from tests.graphql.client import dialled
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import Whole, whole_platform
from tests.websocket.gateway import Client, connect

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS = {"open-a": "peer/echo", "open-b": "peer/echo", "closed": "peer/echo"}
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("models"), models=MODELS) as platform:
        await platform.issue("some", models=("open-*",), roles=("user", "viewer"))
        yield platform


REST: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": MESSAGES},
    "/tokenize": {"prompt": "hi"},
    "/detokenize": {"tokens": [1]},
    "/v1/responses": {"input": "hi"},
    "/v1/responses/input_tokens": {"input": "hi"},
}
OTHERS = ["closed", "peer/echo", "echo", "publishers/x/models/closed", "none", "Open-a", "open", ""]


@pytest.mark.parametrize("path", REST)
@pytest.mark.parametrize("model", OTHERS)
async def test_by_rest(whole: Whole, path: str, model: str) -> None:
    asked = whole.peer.asked
    reply = await post(whole.port, path, {"model": model, **REST[path]}, whole.header("some"))
    if model:
        assert reply.status == 403
        error = reply.json()["error"]
        assert error.get("code", error["type"]) in {"model_not_allowed", "permission_error"}
    assert reply.status in {400, 403}
    assert whole.peer.asked == asked


@pytest.mark.parametrize("model", [model for model in OTHERS if model])
async def test_by_the_others(whole: Whole, model: str) -> None:
    query = f'mutation {{ generateText(model: "{model}", prompt: "hi") {{ text }} }}'
    told = (await post(whole.port, "/graphql", {"query": query}, whole.header("some"))).json()
    assert told["errors"][0]["extensions"]["type"] == "model_not_allowed"
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        stub: Any = InferenceStub(channel)
        metadata = (("x-api-key", whole.keys["some"]),)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ChatUnary(inference_pb2.ChatRequest(model=model, prompt="hi"), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    async with connect(f"ws://127.0.0.1:{whole.port}/ws/chat", additional_headers=whole.header("some")) as socket:
        [*_, last] = await Client(socket).ask(model=model)
        assert last["error"]["code"] == "model_not_allowed"


async def test_those_that_it_is_good_for_answer(whole: Whole) -> None:
    body = {"model": "open-a", "messages": MESSAGES}
    assert (await post(whole.port, "/v1/chat/completions", body, whole.header("some"))).status == 200
    async with connect(f"ws://127.0.0.1:{whole.port}/ws/chat", additional_headers=whole.header("some")) as socket:
        assert (await Client(socket).ask(model="open-b"))[-1]["type"] == "done"


async def test_every_list_holds_those_alone(whole: Whole) -> None:
    some, wanted = whole.header("some"), ["open-a", "open-b"]
    listed = (await get(whole.port, "/v1/models", some)).json()["data"]
    assert sorted(model["id"] for model in listed) == wanted
    anthropic = {**some, "anthropic-version": "2023-06-01"}
    page = (await get(whole.port, "/v1/models", anthropic)).json()
    assert sorted(model["id"] for model in page["data"]) == wanted
    assert not page["has_more"]
    assert {model["id"] for model in (await get(whole.port, "/models", some)).json()["models"]} <= set(wanted)
    for name in OTHERS[:-1]:
        for headers in (some, anthropic):
            hidden = await get(whole.port, f"/v1/models/{name}", headers)
            assert hidden.status == 404
            assert hidden.json()["error"]["message"].startswith(f"The model '{name}' does not exist.")
    assert (await get(whole.port, "/v1/models/open-a", some)).status == 200
    query = '{ models { id } open: model(id: "open-a") { id } closed: model(id: "closed") { id } }'
    data = (await post(whole.port, "/graphql", {"query": query}, some)).json()["data"]
    assert sorted(model["id"] for model in data["models"]) == wanted
    assert (data["open"], data["closed"]) == ({"id": "open-a"}, None)


async def test_every_feed_tells_of_those_alone(whole: Whole) -> None:
    some, wanted = whole.header("some"), {"open-a", "open-b"}
    async with connect(f"ws://127.0.0.1:{whole.port}/ws/models", additional_headers=some) as socket:
        assert {model["id"] for model in (await Client(socket).frame())["models"]} == wanted
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        stub: Any = ModelsStub(channel)
        metadata = (("x-api-key", whole.keys["some"]),)
        listed = await stub.ListModels(models_pb2.ListModelsRequest(), metadata=metadata)
        assert {model.id for model in listed.models} == wanted
        watching = stub.WatchModels(models_pb2.WatchModelsRequest(), metadata=metadata)
        seen = set()
        while (change := await watching.read()).kind != models_pb2.ModelChange.KIND_COMPLETE:
            seen.add(change.model.id)
        watching.cancel()
        assert seen == wanted
    async with dialled(f"ws://127.0.0.1:{whole.port}/graphql", headers=some) as client:
        await client.send(type="connection_init")
        await client.receive()
        await client.subscribe("subscription { modelStatusUpdates { id } }")
        told = {(await client.receive())["payload"]["data"]["modelStatusUpdates"]["id"] for _ in wanted}
        assert told == wanted


async def test_who_is_bound_to_no_model_sees_all(whole: Whole, tmp_path: Path) -> None:
    await whole.issue("all")
    listed = (await get(whole.port, "/v1/models", whole.header("all"))).json()["data"]
    assert {model["id"] for model in listed} >= set(MODELS)
