"""The files of monitoring/: made by the code, understood by the tools that they are for, and whole."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from app.integrations.monitoring.dashboards import DASHBOARDS
from app.integrations.monitoring.dashboards.__main__ import files
from tests.servers.node import installed, need_node

MONITORING = Path(__file__).parents[4] / "monitoring"
TYPES = Path(__file__).parent / "grafana"


def test_the_files_are_those_that_the_code_makes() -> None:
    stale = [name for name, text in files().items() if (MONITORING / name).read_text("utf-8") != text]
    assert stale == [], "make them anew: python -m app.integrations.monitoring.dashboards monitoring"


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "test", "rules", "tests/llm_platform_rules_test.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ],
    ids=" ".join,
)
def test_their_own_tools_find_no_fault(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test() -> None:
    rules = yaml.safe_load((MONITORING / "llm_platform_rules.yml").read_text("utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    tests = (MONITORING / "tests" / "llm_platform_rules_test.yml").read_text("utf-8")
    assert {name for name in alerts if name not in tests} == set()
    assert len(alerts) >= 14


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_is_whole(uid: str) -> None:
    dashboard = DASHBOARDS[uid]
    text = json.dumps(dashboard)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {uid, "${datasource}"}
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$(?!__)\{?(\w+)", text)) == variables, (
        "each variable is used, and each that is used is there"
    )
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    for panel in shown:
        assert panel["targets"], panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    places = [(panel["gridPos"]["x"] + panel["gridPos"]["w"], panel["id"]) for panel in dashboard["panels"]]
    assert max(right for right, _ in places) <= 24
    assert len({id for _, id in places}) == len(places)
    assert dashboard["links"]


def test_the_dashboards_are_what_grafana_s_own_types_say(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    need_node()
    modules = installed(TYPES, pytestconfig.cache.mkdir("grafana-types"))
    (tmp_path / "node_modules").symlink_to(modules, True)
    shown = [
        f"export const _{place}: Shown = {json.dumps(each)};" for place, each in enumerate(DASHBOARDS.values())
    ]
    (tmp_path / "check.ts").write_text("\n".join([(TYPES / "shown.ts").read_text("utf-8"), *shown]))
    options = ("--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext")
    command = ("node", modules / "typescript" / "bin" / "tsc", *options, "check.ts")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_collectors_pipelines_are_made_of_parts_that_are_there() -> None:
    """No Collector is at hand to ask."""
    wanted = yaml.safe_load((MONITORING / "otel-collector.yaml").read_text("utf-8"))
    service = wanted["service"]
    used = {("extensions", name) for name in service["extensions"]}
    for pipeline in service["pipelines"].values():
        used |= {(kind, name) for kind, names in pipeline.items() for name in names}
    kinds = ("receivers", "processors", "exporters", "extensions")
    assert used == {(kind, name) for kind in kinds for name in wanted[kind]}
    assert all(pipeline["processors"][0] == "memory_limiter" for pipeline in service["pipelines"].values())
    assert set(wanted["receivers"]["otlp"]["protocols"]) == {"grpc", "http"}
