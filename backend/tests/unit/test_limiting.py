"""From the settings to limits."""

import pytest

from app.domain.limits import Budget
from app.domain.principal import Principal
from app.limiting import budgets, share, tiers, told_of_shares
from app.settings import Settings

LIMITED = {"tiers": {"free": {"rates": [{"unit": "requests", "limit": 5}], "priority": 2}}, "default_tier": "free"}


def settings(**fields: object) -> Settings:
    return Settings.model_validate({**LIMITED, **fields})


def test_tiers_come_from_the_settings() -> None:
    found = tiers(settings()).of(Principal(id="a"))
    assert found is not None
    assert (found.name, found.priority, found.rates[0].name) == ("free", 2, "requests in a minute")
    assert tiers(Settings()).of(Principal(id="a")) is None


def test_budgets_come_from_the_settings() -> None:
    written = {
        "all": {"usd": 500, "alert_at": 0.5},
        "each": {"usd": 0.5, "per": "day", "each": "team"},
        "one": {"usd": 1, "per": "total", "key": "k"},
    }
    assert budgets(settings(budgets=written)) == (
        Budget(name="all", limit=500 * 10**9, alert=0.5),
        Budget(name="each", limit=5 * 10**8, scope="team", window="day"),
        Budget(name="one", limit=10**9, scope="key", id="k", window="total"),
    )


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
