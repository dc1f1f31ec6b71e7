"""The audit log: every act of an administrator is in it, whoever may read it, and it can be had whole."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from app.accounts.audit import log as module
from app.api.access import ROUTES
from app.api.grpc.generated.llm_platform.v1 import models_pb2
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from app.domain.errors import UpstreamUnavailable
from app.domain.roles import Right
from app.integrations.storage.database.integration import DatabaseIntegration
from tests.access.routes import DENIED, ask
from tests.servers.alertmanager_fake import alertmanager_fake
from tests.servers.asking import becomes
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.raw_client import ask as send
from tests.servers.raw_client import get, post, request_bytes
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

MASTER_KEY = {"Authorization": f"Bearer {MASTER}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ollama() -> AsyncIterator[OllamaFake]:
    models = map(FakeModel, ("here", "second", "third"))
    async with OllamaFake(*models, registry=[FakeModel("remote", size=64)]) as fake:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, ollama: OllamaFake) -> AsyncIterator[Whole]:
    async with alertmanager_fake() as board:
        integrations = {
            "ollama": {"settings": {"base_url": ollama.base_url}},
            "alertmanager": {"settings": {"url": board.url}},
        }
        async with whole_platform(tmp_path_factory.mktemp("audit"), integrations=integrations) as platform:
            await becomes(lambda: _serves(platform, "ollama"), 10.0)
            await becomes(lambda: _serves(platform, "alertmanager"), 10.0)
            yield platform


async def _serves(whole: Whole, name: str) -> bool:
    return whole.platform.manager.serves(name)


async def log(whole: Whole, **wanted: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    found: list[dict[str, Any]] = (await get(whole.port, f"/v1/audit?{query}", MASTER_KEY)).json()["data"]
    return found


async def rest(whole: Whole, method: str, path: str, body: object = None, status: int = 200) -> None:
    raw = b"" if body is None else json.dumps(body).encode()
    headers = {**MASTER_KEY, "x-request-id": "act-1"}
    reply = await send(whole.port, request_bytes(path, raw, method=method, headers=headers))
    assert reply.status == status, reply


async def graphql(whole: Whole, query: str) -> None:
    reply = await post(whole.port, "/graphql", {"query": query}, {**MASTER_KEY, "x-request-id": "act-1"})
    assert "errors" not in reply.json(), reply


async def by_grpc(whole: Whole, method: str, request: Any) -> None:
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        stub: Any = ModelsStub(channel)
        call = getattr(stub, method)(request, metadata=(("x-api-key", MASTER), ("x-request-id", "act-1")))
        if isinstance(call, grpc.aio.UnaryStreamCall):
            assert [reply async for reply in call]
        else:
            await call


Doing = Callable[[Whole, str], Awaitable[None]]
_MODEL = {"model": "ollama/here"}
SILENCE = {"matchers": [{"name": "model", "value": "m"}]}

ACTS: Mapping[str, tuple[Doing, str, str]] = {
    "POST /integrations/{name}/restart": (
        lambda whole, _: rest(whole, "POST", "/integrations/peer/restart", {}),
        "integration.restart",
        "integration:peer",
    ),
    "POST /admin/reload": (
        lambda whole, _: rest(whole, "POST", "/admin/reload", {}),
        "configuration.reload",
        "configuration",
    ),
    "POST /models/load": (
        lambda whole, _: rest(whole, "POST", "/models/load", _MODEL),
        "model.load",
        "model:ollama/here",
    ),
    "POST /models/unload": (
        lambda whole, _: rest(whole, "POST", "/models/unload", _MODEL),
        "model.unload",
        "model:ollama/here",
    ),
    "POST /models/pin": (
        lambda whole, _: rest(whole, "POST", "/models/pin", _MODEL),
        "model.pin",
        "model:ollama/here",
    ),
    "POST /models/unpin": (
        lambda whole, _: rest(whole, "POST", "/models/unpin", _MODEL),
        "model.unpin",
        "model:ollama/here",
    ),
    "GraphQL Mutation.pinModel": (
        lambda whole, _: graphql(whole, 'mutation { pinModel(id: "ollama/here") { status } }'),
        "model.pin",
        "model:ollama/here",
    ),
    "GraphQL Mutation.unpinModel": (
        lambda whole, _: graphql(whole, 'mutation { unpinModel(id: "ollama/here") }'),
        "model.unpin",
        "model:ollama/here",
    ),
    "gRPC llm_platform.v1.Models/PinModel": (
        lambda whole, _: by_grpc(whole, "PinModel", models_pb2.PinModelRequest(model="ollama/here")),
        "model.pin",
        "model:ollama/here",
    ),
    "gRPC llm_platform.v1.Models/UnpinModel": (
        lambda whole, _: by_grpc(whole, "UnpinModel", models_pb2.UnpinModelRequest(model="ollama/here")),
        "model.unpin",
        "model:ollama/here",
    ),
    "POST /models/pull": (
        lambda whole, _: rest(whole, "POST", "/models/pull", {"model": "ollama/remote"}, 202),
        "model.pull",
        "model:ollama/remote",
    ),
    "GraphQL Mutation.pullModel": (
        lambda whole, _: graphql(whole, 'mutation { pullModel(id: "ollama/remote") { id } }'),
        "model.pull",
        "model:ollama/remote",
    ),
    "gRPC llm_platform.v1.Models/PullModel": (
        lambda whole, _: by_grpc(whole, "PullModel", models_pb2.PullModelRequest(model="ollama/remote")),
        "model.pull",
        "model:ollama/remote",
    ),
    "DELETE /models/jobs/{id}": (
        lambda whole, job: rest(whole, "DELETE", f"/models/jobs/{job}"),
        "job.cancel",
        "job:",
    ),
    "GraphQL Mutation.cancelModelJob": (
        lambda whole, job: graphql(whole, f'mutation {{ cancelModelJob(id: "{job}") {{ id }} }}'),
        "job.cancel",
        "job:",
    ),
    "gRPC llm_platform.v1.Models/CancelJob": (
        lambda whole, job: by_grpc(whole, "CancelJob", models_pb2.CancelJobRequest(id=job)),
        "job.cancel",
        "job:",
    ),
    "DELETE /models/{model:path}": (
        lambda whole, _: rest(whole, "DELETE", "/models/ollama/remote"),
        "model.delete",
        "model:ollama/remote",
    ),
    "GraphQL Mutation.deleteModel": (
        lambda whole, _: graphql(whole, 'mutation { deleteModel(id: "ollama/second") }'),
        "model.delete",
        "model:ollama/second",
    ),
    "gRPC llm_platform.v1.Models/DeleteModel": (
        lambda whole, _: by_grpc(whole, "DeleteModel", models_pb2.DeleteModelRequest(model="ollama/third")),
        "model.delete",
        "model:ollama/third",
    ),
    "GraphQL Mutation.loadModel": (
        lambda whole, _: graphql(whole, 'mutation { loadModel(id: "ollama/here") { id } }'),
        "model.load",
        "model:ollama/here",
    ),
    "GraphQL Mutation.unloadModel": (
        lambda whole, _: graphql(whole, 'mutation { unloadModel(id: "ollama/here") { id } }'),
        "model.unload",
        "model:ollama/here",
    ),
    "gRPC llm_platform.v1.Models/LoadModel": (
        lambda whole, _: by_grpc(whole, "LoadModel", models_pb2.LoadModelRequest(model="ollama/here")),
        "model.load",
        "model:ollama/here",
    ),
    "gRPC llm_platform.v1.Models/UnloadModel": (
        lambda whole, _: by_grpc(whole, "UnloadModel", models_pb2.UnloadModelRequest(model="ollama/here")),
        "model.unload",
        "model:ollama/here",
    ),
    "POST /alerts/silences": (
        lambda whole, _: rest(whole, "POST", "/alerts/silences", SILENCE, 201),
        "alerts.silence",
        "silence:5ba1",
    ),
    "DELETE /alerts/silences/{id}": (
        lambda whole, _: rest(whole, "DELETE", "/alerts/silences/5ba1"),
        "alerts.expire",
        "silence:5ba1",
    ),
    "POST /v1/keys": (lambda whole, _: rest(whole, "POST", "/v1/keys", {}), "key.create", ""),
    "PATCH /v1/keys/{id}": (
        lambda whole, id: rest(whole, "PATCH", f"/v1/keys/{id}", {"name": "x"}),
        "key.update",
        "key:",
    ),
    "POST /v1/keys/{id}/rotate": (
        lambda whole, id: rest(whole, "POST", f"/v1/keys/{id}/rotate", {}),
        "key.rotate",
        "key:",
    ),
    "POST /v1/keys/{id}/revoke": (
        lambda whole, id: rest(whole, "POST", f"/v1/keys/{id}/revoke", {}),
        "key.revoke",
        "key:",
    ),
    "DELETE /v1/keys/{id}": (lambda whole, id: rest(whole, "DELETE", f"/v1/keys/{id}"), "key.delete", "key:"),
    "GraphQL Mutation.createKey": (
        lambda whole, _: graphql(whole, "mutation { createKey(input: {}) { text } }"),
        "key.create",
        "",
    ),
    "GraphQL Mutation.updateKey": (
        lambda whole, id: graphql(whole, f'mutation {{ updateKey(id: "{id}", input: {{name: "x"}}) {{ id }} }}'),
        "key.update",
        "key:",
    ),
    "GraphQL Mutation.rotateKey": (
        lambda whole, id: graphql(whole, f'mutation {{ rotateKey(id: "{id}") {{ text }} }}'),
        "key.rotate",
        "key:",
    ),
    "GraphQL Mutation.revokeKey": (
        lambda whole, id: graphql(whole, f'mutation {{ revokeKey(id: "{id}") {{ id }} }}'),
        "key.revoke",
        "key:",
    ),
    "GraphQL Mutation.deleteKey": (
        lambda whole, id: graphql(whole, f'mutation {{ deleteKey(id: "{id}") }}'),
        "key.delete",
        "key:",
    ),
    "PUT /v1/tiers/{name}": (
        lambda whole, _: rest(whole, "PUT", "/v1/tiers/t", {"level": 1}),
        "tier.set",
        "tier:t",
    ),
    "DELETE /v1/tiers/{name}": (lambda whole, _: rest(whole, "DELETE", "/v1/tiers/t"), "tier.delete", "tier:t"),
    "PUT /v1/budgets/{name}": (
        lambda whole, _: rest(whole, "PUT", "/v1/budgets/b", {"usd": 1}),
        "budget.set",
        "budget:b",
    ),
    "DELETE /v1/budgets/{name}": (
        lambda whole, _: rest(whole, "DELETE", "/v1/budgets/b"),
        "budget.delete",
        "budget:b",
    ),
    "GraphQL Mutation.setTier": (
        lambda whole, _: graphql(whole, 'mutation { setTier(name: "t", input: {level: 1}) { name } }'),
        "tier.set",
        "tier:t",
    ),
    "GraphQL Mutation.deleteTier": (
        lambda whole, _: graphql(whole, 'mutation { deleteTier(name: "t") }'),
        "tier.delete",
        "tier:t",
    ),
    "GraphQL Mutation.setBudget": (
        lambda whole, _: graphql(whole, 'mutation { setBudget(name: "b", input: {usd: 1}) { name } }'),
        "budget.set",
        "budget:b",
    ),
    "GraphQL Mutation.deleteBudget": (
        lambda whole, _: graphql(whole, 'mutation { deleteBudget(name: "b") }'),
        "budget.delete",
        "budget:b",
    ),
}
_LOOKS_ONLY = ("GET ", "GraphQL Query")


async def test_every_route_that_does_something_is_tried() -> None:
    of_those_who_do = {Right.RUN_PLATFORM, Right.ISSUE_KEYS, Right.ALL_KEYS, Right.SET_LIMITS, Right.AUDIT}
    doing = {route for route, right in ROUTES.items() if right in of_those_who_do}
    assert {route for route in doing if not route.startswith(_LOOKS_ONLY)} == ACTS.keys()


@pytest.mark.parametrize("route", ACTS)
async def test_each_act_is_recorded_once_with_who_and_what(whole: Whole, ollama: OllamaFake, route: str) -> None:
    do, action, object = ACTS[route]
    ollama.pull_hold = asyncio.Event() if object == "job:" else None
    if object == "job:":
        id = (await whole.platform.jobs.start("pull", "ollama", "remote", "ann")).id
    else:
        id = await whole.issue("anybody")
    [last] = await log(whole, limit=1)
    await do(whole, id)
    new = [record for record in await log(whole) if record["id"] > last["id"]]
    [record] = new
    assert (record["actor"], record["action"], record["request_id"]) == ("operator", action, "act-1")
    assert record["object"] == object + (id if object in {"key:", "job:"} else "") or not object


async def test_an_act_is_found_by_the_name_that_its_answer_tells(whole: Whole) -> None:
    reply = await post(whole.port, "/v1/keys", {"owner": "eve"}, MASTER_KEY)
    [last] = await log(whole, limit=1)
    assert (last["action"], last["request_id"]) == ("key.create", reply.headers["x-request-id"])


async def test_a_reload_tells_which_settings_it_changed(tmp_path: Path) -> None:
    async with whole_platform(tmp_path) as whole:
        file = tmp_path / "whole.yaml"
        file.write_text(json.dumps({**json.loads(file.read_text()), "usage": {"retention_days": 7}}))
        await rest(whole, "POST", "/admin/reload", {})
        [last] = await log(whole, limit=1)
    assert last["before"] == {"usage.retention_days": 90.0}
    assert last["after"]["settings"] == {"usage.retention_days": {"before": 90.0, "after": 7.0}}


async def test_pages_filters_and_who_may_look(whole: Whole) -> None:
    for holder in ("one", "two", "three"):
        await whole.issue(holder)
    newest = await log(whole, limit=2)
    older = await log(whole, limit=2, after=newest[-1]["id"])
    assert [record["id"] for record in newest + older] == sorted((r["id"] for r in newest + older), reverse=True)
    created = await log(whole, action="key.create")
    assert {record["action"] for record in created} == {"key.create"}
    assert {record["action"] for record in await log(whole, action="key.")} >= {"key.create"}
    assert await log(whole, action="key") == []
    at = created[0]["at"]
    assert all(record["at"] < at for record in await log(whole, until=at))
    assert created[0] in await log(whole, since=at)
    assert created[0] in await log(whole, since="2020-01-01", until="2999-01-01T00:00:00Z")
    assert await log(whole, actor="nobody") == []
    told = await post(
        whole.port,
        "/graphql",
        {"query": '{ auditLog(where: {action: "key.create"}, first: 1) { id actor object after } }'},
        MASTER_KEY,
    )
    [record] = told.json()["data"]["auditLog"]
    assert (record["id"], record["after"]["name"]) == (created[0]["id"], "three")
    for role in ("viewer", "user", "operator"):
        await whole.issue(role, roles=(role,))
        for route in ("GET /v1/audit", "GET /v1/audit/export", "GraphQL Query.auditLog"):
            assert await ask(whole, route, whole.header(role)) == DENIED


async def test_the_whole_of_it_as_a_file(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.api.rest.platform import audit

    monkeypatch.setattr(audit, "EXPORT_PAGE", 3)
    await whole.issue("=cmd|' /C calc'!A0")
    lines = (await get(whole.port, "/v1/audit/export", MASTER_KEY)).body.decode().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) > 6
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)
    assert records[::-1][:5] == (await log(whole, limit=5))
    table = (await get(whole.port, "/v1/audit/export?format=csv&action=key.", MASTER_KEY)).body.decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [int(row["id"]) for row in rows] == [r["id"] for r in records if r["action"].startswith("key.")]
    assert json.loads(rows[-1]["after"])["name"] == "=cmd|' /C calc'!A0"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    empty = await get(whole.port, "/v1/audit/export?format=csv&actor=nobody", MASTER_KEY)
    assert empty.body.decode().splitlines() == ["id,at,actor,action,object,before,after,request_id,front_end"]


async def test_no_key_is_ever_in_it(whole: Whole) -> None:
    made = (await post(whole.port, "/v1/keys", {}, MASTER_KEY)).json()
    rotated = (await post(whole.port, f"/v1/keys/{made['id']}/rotate", {}, MASTER_KEY)).json()
    everything = (await get(whole.port, "/v1/audit/export", MASTER_KEY)).body.decode()
    assert made["id"] in everything
    for text in (made["key"], rotated["key"], MASTER):
        assert text not in everything


async def test_while_the_database_is_away_deeds_are_done_and_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    async with whole_platform(tmp_path) as whole:
        await whole.issue("somebody")

        def failing(_: object) -> Any:
            raise UpstreamUnavailable("'database' failed.", provider="database")

        with monkeypatch.context() as away:
            away.setattr(DatabaseIntegration, "writing", failing)
            await rest(whole, "POST", "/integrations/peer/restart", {})
            assert (await post(whole.port, "/v1/keys", {}, MASTER_KEY)).status == 503
            assert [each["action"] for each in await log(whole)] == ["key.create"]
        await becomes(lambda: _recorded(whole, "integration.restart"), 5.0)
        assert len(await log(whole)) == 2


async def _recorded(whole: Whole, action: str) -> bool:
    return bool(await log(whole, action=action))
