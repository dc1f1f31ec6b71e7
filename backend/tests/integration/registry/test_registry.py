"""One registry over several integrations: what GET /models tells, what changes it, and who hears of that."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from app.api.grpc.generated.llm_platform.v1 import models_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from tests.graphql.client import connected
from tests.servers.asking import becomes
from tests.servers.demo_checkpoint import write_safetensors
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.raw_client import ask as send
from tests.servers.raw_client import get, post, request_bytes
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Authorization": f"Bearer {MASTER}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "mine.gguf").write_bytes(DEMO_PATH.read_bytes())
    (folder / "spare.gguf").write_bytes(DEMO_PATH.read_bytes())
    await asyncio.to_thread(write_safetensors, folder / "tuned")
    (folder / "tuned" / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> AsyncIterator[Whole]:
    async with OllamaFake(FakeModel("here:latest")) as fake:
        integrations = {
            "ollama": {"settings": {"base_url": fake.base_url}},
            "away": {"kind": "ollama", "settings": {"base_url": "http://127.0.0.1:1"}},
            "custom_models": {"enabled": True, "settings": {"directory": str(folder), "threads": 1}},
        }
        models = {"small": "custom_models/mine", "distant": "away/llama3"}
        data = tmp_path_factory.mktemp("data")
        async with whole_platform(data, integrations=integrations, models=models) as platform:
            for name in ("ollama", "custom_models"):
                await becomes(serves(platform, name))
            yield platform


def serves(whole: Whole, name: str) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return whole.platform.manager.serves(name)

    return asked


async def registry(whole: Whole) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in (await get(whole.port, "/models", KEY)).json()["models"]}


async def act(whole: Whole, verb: str, model: str, status: int = 200, **more: Any) -> Any:
    reply = await post(whole.port, f"/models/{verb}", {"model": model, **more}, KEY)
    assert reply.status == status, reply
    return reply.json()


async def test_what_is_known_of_each(whole: Whole) -> None:
    found = await registry(whole)
    tuned = found["tuned"]
    assert {name: tuned[name] for name in ("format", "quantization", "license", "context_window", "status")} == {
        "format": "safetensors",
        "quantization": "F16",
        "license": "mit",
        "context_window": 1024,
        "status": "unloaded",
    }
    assert tuned["size_bytes"] > 3_000_000
    assert found["demo"]["license"] == "apache-2.0"
    assert (found["small"]["provider"], found["small"]["model"]) == ("custom_models", "mine")
    assert found["here:latest"]["provider"] == "ollama"


async def test_a_name_whose_integration_was_never_there_is_listed_all_the_same(whole: Whole) -> None:
    assert (await registry(whole))["distant"] == {
        "id": "distant",
        "provider": "away",
        "model": "llama3",
        "available": False,
        "status": "unavailable",
        "capabilities": [],
    }
    listed = (await get(whole.port, "/v1/models", KEY)).json()["data"]
    assert "distant" in {model["id"] for model in listed}


async def test_what_is_in_memory_is_told_in_full(whole: Whole) -> None:
    await act(whole, "load", "mine")
    (resident,) = (await registry(whole))["small"]["residents"]
    assert resident.keys() >= {"since", "last_used", "expires", "memory_bytes"}
    assert (resident["status"], resident["mode"], resident["location"], resident["users"]) == (
        "loaded",
        "generation",
        "cpu",
        0,
    )
    await act(whole, "pin", "custom_models/mine")
    (resident,) = (await registry(whole))["mine"]["residents"]
    assert (resident["pinned"], resident.get("expires")) == (True, None)
    await act(whole, "unpin", "mine")
    await act(whole, "unload", "mine")
    assert "residents" not in (await registry(whole))["mine"]


async def test_a_pin_by_one_front_end_is_undone_by_another(whole: Whole) -> None:
    async def pinned() -> bool:
        return any(resident.get("pinned") for resident in (await registry(whole))["mine"].get("residents", []))

    query = {"query": 'mutation { pinModel(id: "mine") { id status } }'}
    told = (await post(whole.port, "/graphql", query, KEY)).json()
    assert told["data"] == {"pinModel": {"id": "mine", "status": "LOADED"}}
    assert await pinned()
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        calls: Any = ModelsStub(channel)
        await calls.UnpinModel(pb.UnpinModelRequest(model="custom_models/mine"), metadata=(("x-api-key", MASTER),))
        assert not await pinned()
        await calls.PinModel(pb.PinModelRequest(model="mine"), metadata=(("x-api-key", MASTER),))
        assert await pinned()
    told = (await post(whole.port, "/graphql", {"query": 'mutation { unpinModel(id: "mine") }'}, KEY)).json()
    assert told["data"] == {"unpinModel": "mine"}
    assert not await pinned()
    await act(whole, "unload", "mine")


async def test_ollama_tells_and_pins_too(whole: Whole) -> None:
    await act(whole, "pin", "here:latest")
    model = (await registry(whole))["here:latest"]
    assert model["status"] == "loaded"
    assert model["residents"] == [
        {
            "status": "loaded",
            "location": "cpu",
            "pinned": True,
            "memory_bytes": model["residents"][0]["memory_bytes"],
        }
    ]
    await act(whole, "unpin", "here:latest")
    (resident,) = (await registry(whole))["here:latest"]["residents"]
    assert "pinned" not in resident
    assert resident["expires"] > 0
    await act(whole, "unload", "here:latest")
    assert (await registry(whole))["here:latest"]["status"] == "unloaded"


async def test_a_load_as_a_job(whole: Whole) -> None:
    job = await act(whole, "load", "tuned", 202, background=True)
    assert (job["kind"], job["integration"], job["model"]) == ("load", "custom_models", "tuned")

    async def done() -> bool:
        return (await whole.platform.jobs.get(job["id"])).state == "done"

    await becomes(done)
    job = msgspec.to_builtins(await whole.platform.jobs.get(job["id"]))
    assert job["completed_bytes"] == job["total_bytes"] > 3_000_000
    assert (await registry(whole))["tuned"]["status"] == "loaded"
    stream = await post(whole.port, "/models/load", {"model": "tuned", "stream": True}, KEY)
    states = [
        json.loads(line[6:])["state"] for line in stream.body.decode().splitlines() if line.startswith("data:")
    ]
    assert states[-1] == "done"
    await act(whole, "unload", "tuned")


async def _by_graphql(whole: Whole, heard: list[str]) -> None:
    async with connected(f"ws://127.0.0.1:{whole.port}/graphql", headers=KEY) as client:
        await client.subscribe("subscription { modelStatusUpdates { id status } }")
        while True:
            update = (await client.receive())["payload"]["data"]["modelStatusUpdates"]
            if update["id"] == "spare":
                heard.append(update["status"])


async def _by_grpc(whole: Whole, heard: list[str]) -> None:
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        calls: Any = ModelsStub(channel)
        async for change in calls.WatchModels(pb.WatchModelsRequest(), metadata=(("x-api-key", MASTER),)):
            if change.model.id == "spare":
                heard.append("LOADED" if change.model.loaded else "UNLOADED")


async def _by_websocket(whole: Whole, heard: list[str]) -> None:
    async with connect(f"ws://127.0.0.1:{whole.port}/ws/models", additional_headers=KEY) as socket:
        async for frame in socket:
            told = json.loads(frame)
            models = told.get("models") or [told.get("model", {})]
            heard += [model["status"].upper() for model in models if model.get("id") == "spare"]


@pytest.mark.parametrize("listen", [_by_graphql, _by_grpc, _by_websocket])
async def test_every_feed_hears_of_it(whole: Whole, listen: Callable[[Whole, list[str]], Awaitable[None]]) -> None:
    heard: list[str] = []

    def told(status: str) -> Callable[[], Awaitable[bool]]:
        async def last() -> bool:
            return heard[-1:] == [status]

        return last

    listening = asyncio.ensure_future(listen(whole, heard))
    try:
        await becomes(told("UNLOADED"))
        await act(whole, "load", "spare")
        await becomes(told("LOADED"))
        await act(whole, "unload", "spare")
        await becomes(told("UNLOADED"))
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_models_of_ones_own_can_be_deleted_and_the_demo_can_not(whole: Whole, folder: Path) -> None:
    async def delete(name: str) -> int:
        return (await send(whole.port, request_bytes(f"/models/{name}", b"", method="DELETE", headers=KEY))).status

    assert await delete("custom_models/spare") == 200
    assert not (folder / "spare.gguf").exists()
    assert "spare" not in await registry(whole)
    assert [await delete(name) for name in ("custom_models/spare", "custom_models/demo")] == [404, 400]
