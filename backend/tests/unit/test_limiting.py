"""From the settings to limits."""

import json
from pathlib import Path

import pytest

from app.domain.limits import Budget
from app.limiting import configured, share, told_of_shares
from app.settings import Settings, load_settings

LIMITED = {"tiers": {"free": {"rates": [{"unit": "requests", "limit": 5}], "priority": 2}}, "default_tier": "free"}


def settings(**fields: object) -> Settings:
    return Settings.model_validate({**LIMITED, **fields})


def test_tiers_and_budgets_come_from_the_settings(tmp_path: Path) -> None:
    budgets = {
        "all": {"usd": 500, "alert_at": 0.5},
        "each": {"usd": 0.5, "per": "day", "each": "team"},
        "one.by.one": {"usd": 1, "per": "total", "key": "k"},
    }
    file = tmp_path / "it.yaml"
    file.write_text(json.dumps({**LIMITED, "budgets": budgets}, indent=1))
    found = configured(load_settings(file, {}, {}))
    tier = found.tiers["free"]
    assert (tier.name, tier.priority, tier.rates[0].name, found.default_tier) == (
        *("free", 2, "requests in a minute"),
        "free",
    )
    assert found.budgets == {
        "all": Budget(name="all", limit=500 * 10**9, alert=0.5),
        "each": Budget(name="each", limit=5 * 10**8, scope="team", window="day"),
        "one.by.one": Budget(name="one.by.one", limit=10**9, scope="key", id="k", window="total"),
    }
    lines = file.read_text().splitlines()
    for (_, name), place in found.places.items():
        where, _, line = place.rpartition(":")
        assert (where, f'"{name}":' in lines[int(line) - 1]) == (str(file), True)


@pytest.mark.parametrize(
    ("fields", "part", "warned"),
    [
        ({}, 1.0, False),
        ({"server": {"workers": 4}}, 0.25, True),
        ({"limits": {"processes": 8}}, 0.125, True),
        ({"server": {"workers": 4}, "integrations": {"redis": {}}}, 0.25, False),
        ({"server": {"workers": 4}, "integrations": {"redis": {"enabled": False}}}, 0.25, True),
        ({"server": {"workers": 4}, "integrations": {"shared": {"kind": "redis"}}}, 0.25, False),
        ({"server": {"workers": 4}, "tiers": {"free": {}}}, 0.25, False),
    ],
)
def test_each_process_has_its_part(fields: dict[str, object], part: float, warned: bool) -> None:
    assert share(settings(**fields)) == part
    told = told_of_shares(settings(**fields))
    assert (told is not None) is warned
    assert told is None or f"each has 1/{1 / part:g} of every limit" in told
