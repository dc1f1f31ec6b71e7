"""Models brought in and let go on servers that can do so: vLLM's sleep, llama.cpp's router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from app.domain.errors import ModelNotFound, UnsupportedFeature, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelsChanged, ModelUnloaded
from app.domain.ports import ModelLoader, TokenCounter
from app.integrations.model_platforms.openai_compatible.residing import ResidingIntegration
from tests.integration.integrations.openai_compatible.provider import config
from tests.servers.scripted import Reply, ScriptedServer, json_reply

DONE = json_reply(b'{"success":true}')
ABSENT = json_reply(b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}', 404)


def listing(state: str | None) -> Reply:
    record: dict[str, Any] = {"id": "m"} if state is None else {"id": "m", "status": {"value": state}}
    return json_reply(msgspec.json.encode({"object": "list", "data": [record]}))


def sleeping(state: bool) -> Reply:
    return json_reply(msgspec.json.encode({"is_sleeping": state}))


@asynccontextmanager
async def running(server: ScriptedServer, kind: str) -> AsyncIterator[tuple[ResidingIntegration, list[object]]]:
    integration = ResidingIntegration(config(server.url, kind))
    assert isinstance(integration, ModelLoader)
    assert isinstance(integration, TokenCounter)
    heard: list[object] = []
    integration.publish = heard.append  # type: ignore[method-assign]
    try:
        await integration.initialize()
        yield integration, heard
    finally:
        await integration.shutdown()


def told(heard: list[object]) -> list[type]:
    return [type(event) for event in heard if not isinstance(event, ModelsChanged)]


async def test_llama_cpp_loads_and_its_list_says_when_it_has() -> None:
    states = ["unloaded", "loading", "loaded", "unloaded"]
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", *map(listing, states)).on("GET", "/props", ABSENT)
        server.on("POST", "/models/load", DONE).on("POST", "/models/unload", DONE)
        async with running(server, "llamacpp") as (integration, heard):
            assert integration.models()[0].loaded is False
            await integration.load("m")
            assert integration.models()[0].loaded is True
            await integration.load("m")
            await integration.unload("m")
            await integration.unload("m")
            assert integration.models()[0].loaded is False
        asked = [(request.path, request.body) for request in server.received if request.method == "POST"]
        assert asked == [("/models/load", b'{"model":"m"}'), ("/models/unload", b'{"model":"m"}')]
        assert told(heard) == [ModelLoaded, ModelUnloaded]


async def test_a_load_that_fails_there_is_told() -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", *map(listing, ["unloaded", "loading", "unloaded"])).on(
            "GET", "/props", ABSENT
        )
        server.on("POST", "/models/load", DONE)
        async with running(server, "llamacpp") as (integration, heard):
            with pytest.raises(UpstreamUnavailable, match="'up' could not load 'm'"):
                await integration.load("m")
            with pytest.raises(ModelNotFound):
                await integration.load("other")
        assert told(heard) == [ModelLoadFailed]


async def test_vllm_sleeps_and_wakes_and_is_not_asked_in_between() -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", listing(None))
        server.on("GET", "/is_sleeping", *map(sleeping, [False, True, False]))
        server.on("POST", "/sleep?level=1", json_reply(b"")).on("POST", "/wake_up", json_reply(b""))
        async with running(server, "vllm") as (integration, heard):
            (model,) = integration.models()
            assert (model.loaded, model.serving) == (True, True)
            await integration.unload("m")
            (model,) = integration.models()
            assert (model.loaded, model.serving) == (False, False)
            await integration.load("m")
            assert integration.models()[0].serving is True
        assert told(heard) == [ModelUnloaded, ModelLoaded]


@pytest.mark.parametrize(
    ("kind", "path", "needs"),
    [("vllm", "/wake_up", "VLLM_SERVER_DEV_MODE=1"), ("llamacpp", "/models/load", "--models-dir, and no --model")],
)
async def test_a_server_that_was_not_started_for_it_says_how(kind: str, path: str, needs: str) -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", listing(None)).on("GET", "/is_sleeping", ABSENT).on("GET", "/props", ABSENT)
        server.on("POST", path, ABSENT)
        async with running(server, kind) as (integration, _):
            assert integration.models()[0].loaded is None
            with pytest.raises(UnsupportedFeature, match=needs):
                await integration.load("m")
