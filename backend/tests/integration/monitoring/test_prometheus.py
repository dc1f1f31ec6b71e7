"""GET /metrics of a running platform: what is in it, in which form, and who may have it."""

import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded
from tests.servers.asking import chat, status_of
from tests.servers.raw_client import Reply, get, post
from tests.servers.scraped import Scraped
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "t0ken-" + "m" * 40
OPENMETRICS = "application/openmetrics-text"
CANARY = "canary-5f0c"
NOWHERE = {"base_url": "http://127.0.0.1:9", "api_key": CANARY}
INTEGRATIONS = {
    "gone": {"kind": "openai_compatible", "settings": NOWHERE},
    "waits": {"kind": "vllm", "dependencies": ["gone"], "settings": NOWHERE},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(
        tmp_path_factory.mktemp("metrics"),
        auth={"metrics_token": TOKEN},
        integrations=dict(INTEGRATIONS),
        models={"limited": {"target": "peer/echo", "max_concurrent": 3}, "away": "gone/model"},
        prices={"peer/echo": {"input": 1_000_000, "output": 0}},
        budgets={"all": {"usd": 1_000_000}, "each-team": {"usd": 100_000, "each": "team"}},
        tiers={"small": {"rates": [{"unit": "requests", "limit": 1, "window": "1h"}]}},
    ) as whole:
        await whole.issue("ann", team="red")
        await whole.issue("bob", team="blue", tier="small")
        await whole.issue("vic", roles=["viewer"])
        yield whole


async def scrape(whole: Whole, accept: str = "", key: str = TOKEN) -> Scraped:
    reply = await metrics(whole, key, accept)
    assert reply.status == 200, reply
    return Scraped(reply.body.decode(), reply.headers["content-type"])


async def metrics(whole: Whole, key: str | None, accept: str = "") -> Reply:
    credential = {"Authorization": f"Bearer {key}"} if key else {}
    return await get(whole.port, "/metrics", {"Accept": accept, **credential})


async def ask(whole: Whole, model: str, holder: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "one two three"}], "stream": True}
    return (await post(whole.port, "/v1/chat/completions", body, whole.header(holder))).status


async def test_calls_are_counted_by_model_provider_and_tenant(whole: Whole) -> None:
    before = await scrape(whole)
    assert [await ask(whole, model, "ann") for model in ("echo", "limited", "away", "no-such-model")] == [
        *(200, 200),
        503,
        404,
    ]
    after = await scrape(whole)

    def more(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert more("llm_requests_total", tenant="red") == 4
    assert more("llm_requests_total", model="echo", provider="peer", status="ok") == 1
    assert more("llm_requests_total", model="limited", provider="peer", front_end="openai_api") == 1
    assert more("llm_errors_total", model="other", error_type="not_found", fault="caller") == 1
    assert more("llm_errors_total", model="away", error_type="unavailable", fault="platform") == 1
    assert more("llm_request_duration_seconds_count") == 4
    assert more("llm_cost_total", tenant="red") > 0
    assert (
        more("gen_ai_client_token_usage_count", gen_ai_original_model="limited", gen_ai_request_model="echo") == 2
    )


async def test_refusals_are_told_apart(whole: Whole) -> None:
    assert {await ask(whole, "echo", "bob"), await ask(whole, "echo", "bob")} == {200, 429}
    assert (await chat(whole.port, "echo")).status == 401
    found = await scrape(whole)
    assert found("llm_refusals_total", reason="rate_limit") == 1
    assert found("llm_key_refusals_total", reason="no key") == 1


async def test_the_graph_and_the_targets_as_they_are(whole: Whole) -> None:
    found = await scrape(whole)
    states = found.values("llm_integration_state", "state", integration="waits")
    assert [state for state, holds in states.items() if holds] == ["blocked"]
    states = found.values("llm_integration_state", "state", integration="gone", type="model_platform")
    assert states["retrying"] + states["initializing"] == 1
    assert found("llm_integration_dependency", **{"from": "waits", "to": "gone"}) == 1
    assert found("llm_integration_blocked_by", integration="waits", cause="gone") == 1
    assert found.values("llm_model_unserved", "cause", model="away") == {"gone": 1}
    assert found("llm_active_models", provider="peer") == 1
    assert found("llm_circuit_breaker_state", provider="peer", model="echo") == 0
    assert found("llm_target_slots", provider="peer", model="echo") == 3
    assert found("llm_queue_depth", provider="peer", model="echo") == 0
    assert (found("llm_processes"), found("llm_active_requests")) == (1, 0)


async def test_budgets_and_who_has_most_of_one(whole: Whole) -> None:
    assert await ask(whole, "echo", "ann") == 200
    found = await scrape(whole)
    assert found.values("llm_budget_limit_dollars", "budget") == {"all": 1_000_000, "each-team": 100_000}
    spent = found.values("llm_cost_total", "tenant")
    used = found.values("llm_budget_used_ratio", "budget")
    assert used["all"] == pytest.approx(sum(spent.values()) / 1_000_000)
    assert used["each-team"] == pytest.approx(spent["red"] / 100_000)
    assert found.values("llm_budget_alert_ratio", "budget")["all"] == 0.8


async def test_models_that_come_and_go(whole: Whole) -> None:
    publish = whole.platform.manager.events.publish
    publish(ModelLoaded(integration="peer", model="echo", seconds=0.4))
    publish(ModelLoaded(integration="peer", model="made-up"))
    publish(ModelUnloaded(integration="peer", model="echo"))
    publish(ModelLoadFailed(integration="peer", model="echo", seconds=1.0))
    found = await scrape(whole)
    loads = found.values("llm_model_loads_total", "result", model="echo", provider="peer")
    assert loads == {"loaded": 1, "unloaded": 1, "failed": 1}
    assert found("llm_model_loads_total", model="other", result="loaded") == 1
    assert found("llm_model_load_seconds_sum") == pytest.approx(0.4)


async def test_the_process(whole: Whole) -> None:
    found = await scrape(whole)
    assert found("process_resident_memory_bytes") > 20_000_000
    assert 0 < found("process_open_fds") < found("process_max_fds")
    assert found("process_cpu_seconds_total") > 0.1
    assert 0 <= found("llm_cpu_usage_percent") < 10_000
    assert time.time() - 3600 < found("process_start_time_seconds") <= time.time()
    assert found("llm_event_loop_lag_seconds_count") >= 0
    assert found("llm_build_info") == 1


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4"),
        ("text/html", "text/plain; version=0.0.4"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
)
async def test_both_forms_tell_the_same(whole: Whole, accept: str, kind: str) -> None:
    reply = await metrics(whole, TOKEN, accept)
    assert reply.headers["content-type"].startswith(kind)
    names = Scraped(reply.body.decode(), kind).names
    assert names == (await scrape(whole)).names
    assert {"llm_requests_total", "gen_ai_client_token_usage_bucket"} <= names


async def test_who_may_have_them(whole: Whole) -> None:
    """S17: the token is good for them and for nothing else."""
    for key in (TOKEN, MASTER, whole.keys["vic"]):
        assert (await metrics(whole, key)).status == 200
    assert (await metrics(whole, whole.keys["ann"])).status == 403
    assert [(await metrics(whole, key)).status for key in (None, TOKEN[:-1], CANARY)] == [401] * 3
    with_token = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/v1/models", "/integrations/status", "/v1/usage", "/v1/keys"):
        assert (await get(whole.port, path, with_token)).status == 403, path
    assert (await chat(whole.port, "echo")).status == 401


async def test_no_secret_is_in_them(whole: Whole) -> None:
    """S12."""
    prompt = {"model": "echo", "messages": [{"role": "user", "content": f"{CANARY}-prompt"}]}
    assert (await post(whole.port, "/v1/chat/completions", prompt, whole.header("ann"))).status == 200
    assert await ask(whole, f"{CANARY}-model", "ann") == 404
    text = (await metrics(whole, TOKEN)).body.decode()
    for secret in (CANARY, MASTER, TOKEN, *whole.keys.values(), "ann", "bob"):
        assert secret not in text, secret


async def test_without_a_key_this_machine_may_have_them_and_without_the_integration_nobody(tmp_path: Path) -> None:
    off: Mapping[str, Any] = {"prometheus": {"enabled": False}}
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()
    async with whole_platform(tmp_path / "on", key=None) as whole:
        assert (await metrics(whole, None)).status == 200
        await whole.platform.manager.restart("prometheus")
        assert (await metrics(whole, None)).status == 200
    async with whole_platform(tmp_path / "off", key=None, integrations=off) as whole:
        reply = await metrics(whole, None)
        assert (reply.status, reply.json()["error"]["code"]) == (404, "no_metrics")
        assert (await chat(whole.port, "echo")).status == 200


async def test_a_defect_in_counting_costs_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError("on demand")

    async with whole_platform(tmp_path, key=None) as whole:
        monkeypatch.setattr("app.integrations.monitoring.prometheus.calls.CallMeter.count", defect)
        assert (await chat(whole.port, "echo")).status == 200
        assert "on demand" in caplog.text


async def test_metrics_that_can_t_be_kept_are_missing_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.integrations.monitoring.prometheus.integration.Shelf", full)
    async with whole_platform(tmp_path, key=None) as whole:
        assert (await status_of(whole.port, "prometheus"))["state"] == "failed"
        assert (await metrics(whole, None)).status == 404
        assert (await chat(whole.port, "echo")).status == 200


async def test_litellm_s_address_leads_to_them(tmp_path: Path) -> None:
    async with whole_platform(tmp_path, key=None) as whole:
        reply = await get(whole.port, "/metrics/")
        assert (reply.status, reply.headers["location"].partition("//")[2].partition("/")[2]) == (307, "metrics")
