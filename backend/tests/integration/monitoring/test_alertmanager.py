"""Alerts and silences of a real Alertmanager by REST, GraphQL and WebSocket, and what the platform tells it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from app.domain.limits import Budget, BudgetReached
from app.integrations.monitoring.alertmanager import integration
from tests.servers.alertmanager_fake import alertmanager_fake
from tests.servers.asking import becomes
from tests.servers.raw_client import Reply, ask, get, post, request_bytes
from tests.servers.redis_server import RedisServer, running_redis
from tests.servers.watchers import Watcher, alertmanager
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Authorization": f"Bearer {MASTER}"}
QUIET = {"route": {"receiver": "nobody", "group_wait": "1s"}, "receivers": [{"name": "nobody"}]}


class Alerted(msgspec.Struct):
    whole: Whole
    manager: Watcher
    redis: RedisServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alerted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Alerted]:
    folder = tmp_path_factory.mktemp("alerted")
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(integration, "PUSH_SECONDS", 0.1)
        manager = await stack.enter_async_context(alertmanager(folder, QUIET))
        redis = await stack.enter_async_context(running_redis())
        settings = {"url": manager.url, "push": True, "push_after": 0, "labels": {"cluster": "test"}}
        integrations = {
            "alertmanager": {"settings": settings, "health_check_interval": 0.1},
            "redis": {
                "settings": {"url": redis.url},
                "health_check_interval": 0.05,
                "retry_config": {"max_backoff": 0.2},
            },
        }
        whole = await stack.enter_async_context(whole_platform(folder, integrations=integrations))
        await becomes(lambda: _serves(whole, "alertmanager"))
        await _fires(manager, "LLMHighErrorRate", severity="critical", model="m")
        await _fires(manager, "SomebodyElses", severity="critical")
        yield Alerted(whole, manager, redis)


async def _serves(whole: Whole, name: str) -> bool:
    return whole.platform.manager.serves(name)


async def _fires(manager: Watcher, name: str, **labels: str) -> None:
    alert = {"labels": {"alertname": name, **labels}, "annotations": {"summary": f"{name} it is"}}
    await manager.post("/api/v2/alerts", [{**alert, "startsAt": datetime.now(UTC).isoformat()}])


async def _alerts(alerted: Alerted) -> dict[str, dict[str, Any]]:
    reply = await get(alerted.whole.port, "/alerts", KEY)
    assert reply.status == 200, reply
    return {each["name"]: each for each in reply.json()["alerts"]}


async def _sent(alerted: Alerted, method: str, path: str, body: object = None) -> Reply:
    raw = b"" if body is None else json.dumps(body).encode()
    return await ask(alerted.whole.port, request_bytes(path, raw, method=method, headers=KEY))


async def test_alerts_by_rest_and_graphql(alerted: Alerted) -> None:
    found = await _alerts(alerted)
    assert "SomebodyElses" not in found
    alert = found["LLMHighErrorRate"]
    assert (alert["severity"], alert["summary"]) == ("critical", "LLMHighErrorRate it is")
    assert alert["labels"]["model"] == "m"
    assert abs(alert["since"] - time.time()) < 60
    query = "{ alerts { id name severity state summary labels { name value } } }"
    told = (await post(alerted.whole.port, "/graphql", {"query": query}, KEY)).json()["data"]["alerts"]
    assert {"name": "model", "value": "m"} in told[0]["labels"]
    assert (told[0]["id"], told[0]["name"]) == (alert["id"], "LLMHighErrorRate")


async def test_a_silence_is_made_shown_and_ended(alerted: Alerted) -> None:
    wanted = {"matchers": [{"name": "model", "value": "m|n", "regex": True}], "seconds": 60, "comment": "we know"}
    made = await _sent(alerted, "POST", "/alerts/silences", wanted)
    assert (made.status, made.json()["created_by"]) == (201, "operator")
    id = made.json()["id"]

    async def quiet() -> bool:
        return (await _alerts(alerted))["LLMHighErrorRate"]["silenced_by"] == [id]

    await becomes(quiet)
    (shown,) = (await get(alerted.whole.port, "/alerts/silences", KEY)).json()["silences"]
    assert (shown["id"], shown["state"], shown["comment"]) == (id, "active", "we know")
    assert shown["matchers"] == [{"name": "model", "value": "m|n", "regex": True, "equal": True}]
    assert shown["ends_at"] - shown["starts_at"] == pytest.approx(60, abs=1)
    (theirs,) = await alerted.manager.get("/api/v2/silences")
    assert (theirs["createdBy"], theirs["status"]["state"]) == ("operator", "active")
    assert (await _sent(alerted, "DELETE", f"/alerts/silences/{id}")).json() == {"id": id, "state": "expired"}
    assert (await get(alerted.whole.port, "/alerts/silences", KEY)).json() == {"silences": []}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({}, "matchers"),
        ({"matchers": []}, "matchers"),
        ({"matchers": [{"name": "model", "value": "m"}], "seconds": -1}, "seconds"),
        ({"matchers": [{"name": "model", "value": "m"}], "until": 1}, "until"),
        ({"matchers": [{"name": "model", "value": "(", "regex": True}]}, "regular expression"),
        ({"matchers": [{"name": "model", "value": ".*", "regex": True}]}, "must not fit"),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused(alerted: Alerted, wanted: object, says: str) -> None:
    reply = await _sent(alerted, "POST", "/alerts/silences", wanted)
    assert (reply.status, says in reply.json()["error"]["message"]) == (400, True), reply


@pytest.mark.parametrize("id", ["0c5f1d6e-5f1b-4c58-a2d5-000000000000", "nothing", "..%2Falerts"])
async def test_a_silence_that_is_not_there(alerted: Alerted, id: str) -> None:
    assert (await _sent(alerted, "DELETE", f"/alerts/silences/{id}")).status == 404


async def test_the_socket_of_metrics_tells_of_alerts(alerted: Alerted) -> None:
    url = f"ws://127.0.0.1:{alerted.whole.port}/ws/metrics"
    async with connect(url, additional_headers=KEY, proxy=None) as socket:
        first = json.loads(await socket.recv())
        assert (first["type"], "LLMHighErrorRate") == ("snapshot", first["alerts"][0]["name"])
        await _fires(alerted.manager, "LLMHighLatency", severity="warning", model="m")
        names: set[str] = set()
        while "LLMHighLatency" not in names:
            names = {each["name"] for each in json.loads(await socket.recv()).get("alerts", [])}


async def test_the_platform_tells_of_its_own_alerts_and_when_they_are_over(alerted: Alerted) -> None:
    budget = Budget(name="all", limit=100, alert=0.8)
    alerted.whole.platform.manager.events.publish(BudgetReached(budget=budget, id="", spent=90, whole=False))
    await alerted.redis.kill()

    async def told() -> bool:
        return {"LLMIntegrationFailed", "LLMBudgetNearlySpent"} <= (await _alerts(alerted)).keys()

    async def over() -> bool:
        return "LLMIntegrationFailed" not in await _alerts(alerted)

    await becomes(told)
    found = await _alerts(alerted)
    failed = found["LLMIntegrationFailed"]
    labels = {"integration": "redis", "cause": "redis", "type": "storage", "cluster": "test"}
    assert labels.items() <= failed["labels"].items()
    assert "all" in found["LLMBudgetNearlySpent"]["summary"]
    await alerted.redis.start()
    await becomes(over)
    assert "LLMBudgetNearlySpent" in await _alerts(alerted)


async def test_alertmanagers_that_are_broken_harm_nothing_else(tmp_path: Path) -> None:
    broken = ("absent", "slow", "wrong", "refusing")
    async with AsyncExitStack() as stack:
        fakes = {name: await stack.enter_async_context(alertmanager_fake()) for name in broken}
        integrations = {
            name: {
                "kind": "alertmanager",
                "settings": {"url": fake.url, "timeout": 0.2, "push": True, "push_after": 0},
                "health_check_interval": 0.05,
            }
            for name, fake in fakes.items()
        }
        whole = await stack.enter_async_context(whole_platform(tmp_path, integrations=integrations))

        async def all_serve() -> bool:
            return all(whole.platform.manager.serves(name) for name in broken)

        async def none_serves() -> bool:
            return not any(whole.platform.manager.serves(name) for name in broken)

        await becomes(all_serve)
        fakes["absent"].status = 502
        fakes["slow"].hold = hold = asyncio.Event()
        stack.callback(hold.set)
        fakes["wrong"].text = "<html>"
        fakes["refusing"].status = 401
        body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        assert (await post(whole.port, "/v1/chat/completions", body, KEY)).status == 200
        assert (await get(whole.port, "/alerts", KEY)).status in {404, 502, 503, 504}
        await becomes(none_serves)
        assert (await post(whole.port, "/v1/chat/completions", body, KEY)).status == 200
        assert (await get(whole.port, "/alerts", KEY)).status == 404
        assert (await get(whole.port, "/metrics", KEY)).status == 200
        url = f"ws://127.0.0.1:{whole.port}/ws/metrics"
        async with connect(url, additional_headers=KEY, proxy=None) as socket:
            assert json.loads(await socket.recv())["type"] == "snapshot"


async def test_its_key_goes_with_each_question_and_is_never_shown(tmp_path: Path) -> None:
    async with alertmanager_fake() as fake:
        settings = {"url": fake.url, "api_key": "canary-5f0c"}
        async with whole_platform(tmp_path, integrations={"alertmanager": {"settings": settings}}) as whole:
            await becomes(lambda: _serves(whole, "alertmanager"))
            assert (await get(whole.port, "/alerts", KEY)).status == 200
            told = await get(whole.port, "/integrations/alertmanager/status", KEY)
        assert {headers["authorization"] for headers in fake.headers} == {"Bearer canary-5f0c"}
        assert b"canary" not in told.body


async def test_without_one_there_are_no_alerts(tmp_path: Path) -> None:
    async with whole_platform(tmp_path, key=None) as whole:
        reply = await get(whole.port, "/alerts")
        assert (reply.status, reply.json()["error"]["code"]) == (404, "no_alertmanager")
        async with connect(f"ws://127.0.0.1:{whole.port}/ws/metrics", proxy=None) as socket:
            assert "alerts" not in json.loads(await socket.recv())
