"""`llm-platform tiers` and `llm-platform budgets`, against a server."""

import json
import time
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command, FakePlatform

TIER = {
    "object": "tier",
    "name": "gold",
    "level": 10,
    "groups": ["paying"],
    "models": [],
    "rates": [{"unit": "tokens", "limit": 9, "window": 60.0}, {"unit": "concurrent", "limit": 2, "window": 60.0}],
    "priority": 0,
    "description": "",
    "default": True,
    "defined_in": "configuration",
    "defined_at": "it.yaml:3",
}
BUDGET = {
    **{"object": "budget", "name": "red\x1b", "usd": 5.0, "per": "day", "key": None, "team": None, "each": "team"},
    "holders": [{"id": "red", "spent": 1.5, "remaining": 3.5}, {"id": "blue", "spent": 0.0, "remaining": 5.0}],
    "resets_at": time.time() + 30 * 86_400,
    **{"defined_in": "database", "defined_at": None},
}


def test_tiers_are_listed(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/tiers", {"data": [TIER]})
    head, _, row = command("tiers", "list").stdout.splitlines()
    assert head.split() == ["TIER", "LEVEL", "GROUPS", "MODELS", "LIMITS", "DEFINED", "IN"]
    assert " ".join(row.split()) == "gold (default) 10 paying all 9 tokens in a minute; 2 concurrent it.yaml:3"
    assert json.loads(command("tiers", "list", "-o", "json").stdout) == {"tiers": [TIER]}


def test_those_of_a_file_are_listed_without_a_platform(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "it.yaml"
    file.write_text("tiers: {free: {rates: [{unit: requests, limit: 1}]}}\ndefault_tier: free\n")
    [_, _, row] = command("tiers", "list", "--config", str(file)).stdout.splitlines()
    assert " ".join(row.split()) == f"free (default) 0 all 1 request in a minute {file}"


def test_a_tier_is_set_and_deleted(platform: FakePlatform, command: Command) -> None:
    platform.answer("PUT /v1/tiers/gold", TIER)
    platform.answer("DELETE /v1/tiers/gold", {"deleted": True})
    limits = ("--rate", "tokens=9", "--rate", "requests=5/1d", "--rate", "concurrent=2")
    done = command(
        *("tiers", "set", "gold", "--level", "10", "--group", "a", "--group", "b", "--model", "gpt-*"),
        *(*limits, "--priority", "1", "--description", "x"),
    )
    assert done.exit_code == 0
    assert command("tiers", "rm", "gold").exit_code == 0
    assert [(each.method, each.body) for each in platform.asked] == [
        (
            "PUT",
            {
                **{"level": 10, "groups": ["a", "b"], "models": ["gpt-*"], "priority": 1, "description": "x"},
                "rates": [
                    {"unit": "tokens", "limit": 9},
                    {"unit": "requests", "limit": 5, "window": 86400.0},
                    {"unit": "concurrent", "limit": 2},
                ],
            },
        ),
        ("DELETE", None),
    ]


@pytest.mark.parametrize("rate", ["tokens", "tokens=", "tokens=x", "tokens=5/", "tokens=5/soon", "=5"])
def test_a_limit_that_is_none_is_refused(platform: FakePlatform, command: Command, rate: str) -> None:
    refused = command("tiers", "set", "gold", "--rate", rate)
    assert (refused.exit_code, platform.asked) == (2, [])


def test_budgets_are_listed_with_what_is_left(platform: FakePlatform, command: Command) -> None:
    nobody = {**BUDGET, "name": "none", "holders": [], "per": "total", "resets_at": None}
    platform.answer("GET /v1/budgets", {"data": [BUDGET, nobody]})
    _, _, *rows = command("budgets", "list").stdout.splitlines()
    assert [" ".join(row.split()) for row in rows] == [
        "red\N{REPLACEMENT CHARACTER} team red 5.00 day 1.5000 3.5000 in 30 d database",
        "red\N{REPLACEMENT CHARACTER} team blue 5.00 day 0.0000 5.0000 in 30 d database",
        "none each team 5.00 total never database",
    ]
    assert json.loads(command("budgets", "list", "-o", "json").stdout) == {"budgets": [BUDGET, nobody]}


def test_a_small_budget_is_not_shown_as_none(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/budgets", {"data": [{**BUDGET, "usd": 0.001, "holders": []}]})
    [_, _, row] = command("budgets", "list").stdout.splitlines()
    assert "each team 0.001 day" in " ".join(row.split())


@pytest.mark.parametrize("complete", [True, False])
def test_it_is_said_when_what_was_spent_is_not_known_yet(
    platform: FakePlatform, command: Command, complete: bool
) -> None:
    platform.answer("GET /v1/budgets", {"data": [{**BUDGET, "complete": complete}]})
    assert ("is not known yet" in command("budgets", "list").stderr) is not complete


@pytest.mark.parametrize("kind", ["tiers", "budgets"])
@pytest.mark.parametrize("name", ["", "a/b"])
def test_what_can_be_no_name_is_not_asked_for(
    platform: FakePlatform, command: Command, kind: str, name: str
) -> None:
    refused = command(kind, "rm", name)
    assert (refused.exit_code, platform.asked) == (1, [])
    assert f"{name!r} can't be a name" in refused.stderr


@pytest.mark.parametrize("option", ["--usd", "--alert-at"])
@pytest.mark.parametrize("amount", ["nan", "inf", "much"])
def test_what_is_no_amount_is_refused(platform: FakePlatform, command: Command, option: str, amount: str) -> None:
    refused = command("budgets", "set", "red", "--usd", "5", option, amount)
    assert (refused.exit_code, platform.asked) == (2, [])


def test_a_budget_is_set_and_deleted(platform: FakePlatform, command: Command) -> None:
    platform.answer("PUT /v1/budgets/red", BUDGET)
    platform.answer("DELETE /v1/budgets/red", {"deleted": True})
    assert command("budgets", "set", "red", "--usd", "5", "--per", "day", "--each", "team").exit_code == 0
    assert command("budgets", "rm", "red").exit_code == 0
    assert platform.asked[0].body == {
        **{"usd": 5.0, "per": "day", "key": None, "team": None, "each": "team"},
        "alert_at": 0.8,
    }
