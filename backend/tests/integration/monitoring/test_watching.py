"""A real Prometheus reads a platform under load: every rule and every panel finds something, and a fault is told.

What it is told with are the files of monitoring/, with rules that wait for nothing and an Alertmanager in a hurry.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import yaml

from app.domain.models import ModelLoaded, ModelLoadFailed
from app.integrations.monitoring.dashboards import DASHBOARDS
from app.integrations.monitoring.dashboards.litellm_names import rules as litellm_rules
from app.integrations.monitoring.prometheus.gpu import Gpus
from tests.servers.asking import becomes
from tests.servers.echo_peer import EchoPeer, echo_peer
from tests.servers.nvml import Nvml
from tests.servers.raw_client import post
from tests.servers.watchers import Watcher, Webhook, alertmanager, impatient, prometheus, webhook
from tests.servers.whole_platform import Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONITORING = Path(__file__).parents[4] / "monitoring"
TOKEN = "t0ken-" + "m" * 40
RULES = ("llm_platform_rules.yml", "litellm_names_rules.yml")
Json = dict[str, Any]


class Watched(msgspec.Struct):
    """`victim` ends one of the providers."""

    whole: Whole
    victim: AsyncExitStack
    prometheus: Watcher
    alertmanager: Watcher
    webhook: Webhook


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Gpus.__init__, "__defaults__", (lambda name: Nvml(),))
        hold = asyncio.Event()
        slow = await stack.enter_async_context(echo_peer(hold=hold))
        flaky = await stack.enter_async_context(echo_peer())
        victim = await stack.enter_async_context(AsyncExitStack())
        mortal = await victim.enter_async_context(echo_peer())
        whole = await stack.enter_async_context(whole_platform(folder, **_configuration(slow, flaky, mortal)))
        hook = await stack.enter_async_context(webhook())
        alerts = await stack.enter_async_context(alertmanager(folder, _hurried(hook.url)))
        rules = await stack.enter_async_context(prometheus(folder, _reading(whole.port, alerts.url, folder)))
        await _load(whole, flaky, hold)
        yield Watched(whole, victim, rules, alerts, hook)


def _configuration(slow: EchoPeer, flaky: EchoPeer, victim: EchoPeer) -> Json:
    def server(url: str, **more: object) -> Json:
        return {"kind": "openai_compatible", "settings": {"base_url": url}, **more}

    return {
        "auth": {"metrics_token": TOKEN},
        "integrations": {
            "slow": server(slow.url),
            "flaky": server(flaky.url),
            "gone": server("http://127.0.0.1:9"),
            "waits-for-gone": server(slow.url, dependencies=["gone"]),
            "victim": server(victim.url, health_check_interval=0.05),
            "waits": server(slow.url, dependencies=["victim"]),
        },
        "models": {
            "plain": "peer/echo",
            "kept": {"targets": "peer/echo", "cache": True},
            "tight": {"target": "slow/echo", "max_concurrent": 1},
            "falls": {"targets": [{"target": "flaky/echo"}, {"target": "peer/echo", "priority": 2}]},
            "breaks": "flaky/echo",
            "away": "gone/m",
            "of-the-victim": "victim/echo",
        },
        "prices": {"peer/echo": {"input": 10_000, "output": 10_000}},
        "budgets": {"all": {"usd": 1_000_000}},
        "tiers": {"small": {"rates": [{"unit": "requests", "limit": 1, "window": "1h"}]}},
    }


def _reading(port: int, alerts: str, folder: Path) -> Json:
    for name in RULES:
        rules = impatient(yaml.safe_load((MONITORING / name).read_text("utf-8")))
        (folder / name).write_text(yaml.safe_dump(rules))
    configuration: Json = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    (scrape,) = configuration["scrape_configs"]
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    scrape["authorization"] = {"credentials": TOKEN}
    configuration["global"] = {
        "scrape_interval": "500ms",
        "evaluation_interval": "500ms",
        "scrape_timeout": "500ms",
    }
    configuration["alerting"] = {
        "alertmanagers": [{"static_configs": [{"targets": [alerts.removeprefix("http://")]}]}]
    }
    return configuration


def _hurried(url: str) -> Json:
    configuration: Json = yaml.safe_load((MONITORING / "alertmanager.yml").read_text("utf-8"))
    configuration["receivers"] = [{"name": "nobody", "webhook_configs": [{"url": url}]}]
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route.update(group_wait="2s", group_interval="1s")
    return configuration


async def _load(whole: Whole, flaky: EchoPeer, hold: asyncio.Event) -> None:
    """Of everything that is counted, something."""
    await whole.issue("ann", team="red")
    await whole.issue("bob", tier="small")
    flaky.broken = True
    for _ in range(6):
        models = ("plain", "kept", "falls", "breaks", "away", "nonsense")
        await asyncio.gather(*(_ask(whole, model) for model in models))
    waiting = [asyncio.create_task(_ask(whole, "tight")) for _ in range(2)]
    await becomes(lambda: _any_in_line(whole))
    hold.set()
    await asyncio.gather(*waiting, _ask(whole, "plain", "bob"), _ask(whole, "plain", "bob"))
    await post(whole.port, "/v1/chat/completions", {"model": "plain", "messages": []})
    whole.platform.manager.events.publish(ModelLoaded(integration="peer", model="echo", seconds=0.1))
    whole.platform.manager.events.publish(ModelLoadFailed(integration="peer", model="echo", seconds=0.1))


async def _ask(whole: Whole, model: str, holder: str = "ann") -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "one two three"}], "stream": True}
    return (await post(whole.port, "/v1/chat/completions", body, whole.header(holder))).status


async def _any_in_line(whole: Whole) -> bool:
    entries = whole.platform.router.catalog.current.entries()
    return any(target.vitals.slots.waiting() for entry in entries for target in entry.targets)


def panels() -> Iterator[Any]:
    """Each with what it asks, as Grafana would when everything is chosen."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expr = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "5m")
                expr = expr.removesuffix(" or vector(0)")  # what is shown where there is nothing
                yield pytest.param(re.sub(r"\$\w+", ".*", expr), id=f"{uid}: {panel['title']} {target['refId']}")


async def _asked(watched: Watched, expr: str) -> list[Json]:
    found: list[Json] = []

    async def answers() -> bool:
        found[:] = await watched.prometheus.query(expr)
        return bool(found)

    await becomes(answers, 10.0, every=0.2)
    return found


@pytest.mark.parametrize("expr", [*panels()])
async def test_each_panel_finds_something(watched: Watched, expr: str) -> None:
    assert await _asked(watched, expr)


async def test_each_variable_finds_something(watched: Watched) -> None:
    for dashboard in DASHBOARDS.values():
        for variable in dashboard["templating"]["list"][1:]:
            match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert match
            found = await watched.prometheus.get(f"/api/v1/label/{match[2]}/values", **{"match[]": match[1]})
            assert found["data"], variable


async def test_each_name_of_litellm_s_has_a_value(watched: Watched) -> None:
    for name, _ in litellm_rules():
        assert await _asked(watched, name), name
    requests = await _asked(watched, "litellm_proxy_total_requests_metric_total")
    told = {(each["metric"]["requested_model"], each["metric"]["status_code"]) for each in requests}
    assert {("plain", "200"), ("plain", "429"), ("other", "404"), ("away", "503")} <= told


async def test_each_rule_is_understood(watched: Watched) -> None:
    async def evaluated() -> bool:
        groups = (await watched.prometheus.get("/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
        return len(rules) > 40 and all(rule["health"] == "ok" for rule in rules)

    await becomes(evaluated)


async def test_prometheus_reads_without_a_complaint(watched: Watched) -> None:
    async def up() -> bool:
        (target,) = (await watched.prometheus.get("/api/v1/targets"))["data"]["activeTargets"]
        return (target["health"], target["lastError"], target["labels"]["job"]) == ("up", "", "llm-platform")

    await becomes(up)


async def test_a_fault_is_told_once_and_what_it_causes_is_not(watched: Watched) -> None:
    """Scrape, rule, Alertmanager, webhook; and inhibition along the graph of dependencies."""
    await watched.victim.aclose()
    caused = {"LLMIntegrationBlocked", "LLMModelUnavailable"}

    async def told() -> bool:
        await _ask(watched.whole, "breaks")
        return {("LLMIntegrationFailed", "victim"), ("LLMHighErrorRate", "")} <= watched.webhook.firing()

    async def quiet() -> bool:
        alerts = await watched.alertmanager.get("/api/v2/alerts", filter='cause="victim"')
        found = {each["labels"]["alertname"] for each in alerts if each["status"]["inhibitedBy"]}
        return caused <= found

    await becomes(told, 20.0, every=0.1)
    await becomes(quiet, 20.0)
    told_of = {name for name, cause in watched.webhook.firing() if cause in {"victim", "gone"}}
    assert told_of == {"LLMIntegrationFailed"}
