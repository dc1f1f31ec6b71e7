"""One pull, begun through one front-end and seen through all: REST, server-sent events, GraphQL, gRPC."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from app.api.grpc.generated.llm_platform.v1 import models_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from app.api.rest.platform import model_jobs
from app.core.jobs import Job
from tests.graphql.client import connected
from tests.servers.asking import becomes
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.raw_client import connection, get, post, request_bytes
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Authorization": f"Bearer {MASTER}"}
METADATA = (("x-api-key", MASTER),)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ollama() -> AsyncIterator[OllamaFake]:
    async with OllamaFake(registry=[FakeModel(name, size=64) for name in ("a", "b", "c", "d", "e")]) as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, ollama: OllamaFake) -> AsyncIterator[Whole]:
    async with platform_with(ollama, tmp_path_factory.mktemp("jobs")) as platform:
        yield platform


def platform_with(ollama: OllamaFake, folder: Path) -> Any:
    return whole_platform(folder, integrations={"ollama": {"settings": {"base_url": ollama.base_url}}})


@pytest.fixture
def hold(ollama: OllamaFake) -> asyncio.Event:
    """The next downloads stand still until it is set."""
    ollama.pull_hold = asyncio.Event()
    return ollama.pull_hold


async def begun(whole: Whole, model: str) -> Job:
    """The pull, once it has told something."""

    async def runs() -> bool:
        return (await whole.platform.jobs.get(id)).step != ""

    reply = await post(whole.port, "/models/pull", {"model": model}, KEY)
    assert reply.status == 202, reply
    id = reply.json()["id"]
    assert reply.json()["asked_by"] == "operator"
    await becomes(runs)
    return await whole.platform.jobs.get(id)


async def test_one_job_in_every_front_end(whole: Whole, ollama: OllamaFake) -> None:
    ollama.pull_hold = None
    await becomes(_serves(whole))
    events = await _events(whole, "POST", "/models/pull", {"model": "a", "stream": True})
    id = events[0]["id"]
    assert events[-1]["state"] == "done"
    size = events[-1]["total_bytes"]
    assert events[-1]["completed_bytes"] == size > 64
    assert await _events(whole, "GET", f"/models/jobs/{id}") == [events[-1]]
    assert (await get(whole.port, f"/models/jobs/{id}", KEY)).json() == events[-1]
    assert (await get(whole.port, "/models/jobs", KEY)).json()["jobs"] == [events[-1]]
    fields = "id kind integration model askedBy state completedBytes totalBytes error resumed finishedAt details"
    asked = {"query": f'{{ modelJobs(first: 1) {{ {fields} }} modelJob(id: "{id}") {{ {fields} }} }}'}
    told = (await post(whole.port, "/graphql", asked, KEY)).json()["data"]
    assert told["modelJobs"] == [told["modelJob"]]
    assert told["modelJob"].pop("finishedAt")
    assert told["modelJob"] == {
        "id": id,
        "kind": "pull",
        "integration": "ollama",
        "model": "a",
        "askedBy": "operator",
        "state": "DONE",
        "completedBytes": size,
        "totalBytes": size,
        "error": None,
        "resumed": 0,
        "details": {},
    }
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        listed = await ModelsStub(channel).ListJobs(pb.ListJobsRequest(), metadata=METADATA)
    [job] = listed.jobs
    assert (job.id, job.state, job.completed_bytes, job.created_at) == (
        id,
        pb.Job.STATE_DONE,
        size,
        events[-1]["created_at"],
    )


async def test_progress_and_the_end_by_graphql_and_grpc(
    whole: Whole, ollama: OllamaFake, hold: asyncio.Event
) -> None:
    job = await begun(whole, "ollama/b")
    async with (
        grpc.aio.insecure_channel(whole.grpc_target) as channel,
        connected(f"ws://127.0.0.1:{whole.port}/graphql", headers=KEY) as socket,
    ):
        stream = ModelsStub(channel).PullModel(pb.PullModelRequest(model="b"), metadata=METADATA)
        states = aiter(stream)
        first = await anext(states)
        assert (first.id, first.state) == (job.id, pb.Job.STATE_RUNNING)
        await socket.subscribe(f'subscription {{ modelJobProgress(id: "{job.id}") {{ state step }} }}')
        told = (await socket.receive())["payload"]["data"]["modelJobProgress"]
        assert told == {"state": "RUNNING", "step": job.step}
        hold.set()
        assert [each async for each in states][-1].state == pb.Job.STATE_DONE
        *_, last, end = await socket.until_end()
        assert last["payload"]["data"]["modelJobProgress"]["state"] == "DONE"
        assert end["type"] == "complete"


@pytest.mark.parametrize("model", ["c", "d", "e"])
async def test_it_is_cancelled_by_each(whole: Whole, ollama: OllamaFake, hold: asyncio.Event, model: str) -> None:
    job = await begun(whole, model)
    if model == "c":
        told = (await get(whole.port, f"/models/jobs/{job.id}", KEY, method="DELETE")).json()["state"]
    elif model == "d":
        query = {"query": f'mutation {{ cancelModelJob(id: "{job.id}") {{ state }} }}'}
        told = (await post(whole.port, "/graphql", query, KEY)).json()["data"]["cancelModelJob"]["state"].lower()
    else:
        async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
            reply = await ModelsStub(channel).CancelJob(pb.CancelJobRequest(id=job.id), metadata=METADATA)
            told = pb.Job.State.Name(reply.state).removeprefix("STATE_").lower()
    assert told == "cancelled"
    async with asyncio.timeout(5):
        assert await ollama.left.get() == "/api/pull"
    again = await get(whole.port, f"/models/jobs/{job.id}", KEY, method="DELETE")
    assert (again.status, again.json()["error"]["code"]) == (409, "job_over")


async def test_one_that_fails_and_one_that_is_not_there(whole: Whole, ollama: OllamaFake) -> None:
    ollama.pull_hold = None
    events = await _events(whole, "POST", "/models/pull", {"model": "nowhere", "stream": True})
    assert (events[-1]["state"], events[-1]["error_kind"]) == ("failed", "not_found")
    assert "nowhere" in events[-1]["error"]
    missing = await get(whole.port, "/models/jobs/job_0123456789abcdef", KEY)
    assert (missing.status, missing.json()["error"]["code"]) == (404, "job_not_found")


async def test_a_silent_job_is_kept_alive_and_left_when_the_platform_drains(
    tmp_path: Path, ollama: OllamaFake, hold: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with platform_with(ollama, tmp_path) as whole:
        await becomes(_serves(whole))
        monkeypatch.setattr(type(whole.platform.policy), "comment_seconds", 0.05)
        job = await begun(whole, "ollama/c")
        async with asyncio.timeout(10), connection(whole.port) as (reader, writer):
            headers = {**KEY, "Accept": model_jobs.EVENTS}
            writer.write(request_bytes(f"/models/jobs/{job.id}", method="GET", headers=headers))
            await reader.readuntil(b": keep-alive\n\n")
            whole.platform.drain()
            await reader.readuntil(b"\r\n0\r\n\r\n")
    (file,) = (tmp_path / "jobs").glob("*.json")
    assert json.loads(file.read_bytes())["state"] == "queued"


def _serves(whole: Whole) -> Any:
    async def serves() -> bool:
        return whole.platform.manager.serves("ollama")

    return serves


async def _events(whole: Whole, method: str, path: str, body: object = None) -> list[dict[str, Any]]:
    headers = {**KEY, "Accept": model_jobs.EVENTS}
    reply = await (
        get(whole.port, path, headers, method=method) if body is None else post(whole.port, path, body, headers)
    )
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8"), reply
    return [json.loads(line[6:]) for line in reply.body.decode().splitlines() if line.startswith("data: ")]
