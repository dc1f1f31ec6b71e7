"""The platform's own alerts: when they are told, for how long, and when they are over."""

from typing import Any

import pytest

from app.core.integration_framework import IntegrationState, IntegrationType, StateChanged
from app.domain.limits import Budget, BudgetReached
from app.integrations.monitoring.alertmanager.own import LASTS, OwnAlerts
from app.integrations.monitoring.alertmanager.wire import stamp
from app.testing.clock import VirtualClock

STATE = IntegrationState


class Own:
    def __init__(self, after: float = 60.0) -> None:
        self.clock = VirtualClock()
        self.alerts = OwnAlerts(self.clock, after, {"cluster": "x"})

    def moves(self, new: IntegrationState, name: str = "db") -> None:
        event = StateChanged(name=name, old=STATE.READY, new=new, reason="it broke")
        self.alerts.integration(event, IntegrationType.STORAGE)

    async def later(self, seconds: float) -> list[dict[str, Any]]:
        await self.clock.advance(seconds)
        return [dict(each) for each in self.alerts.due()]


def names(alerts: list[dict[str, Any]]) -> list[str]:
    return [each["labels"]["alertname"] for each in alerts]


async def test_an_integration_that_is_down_for_long_is_told_again_and_again_and_that_it_is_back() -> None:
    own = Own()
    own.moves(STATE.RETRYING)
    began = own.clock.now()
    assert await own.later(59) == []
    own.moves(STATE.INITIALIZING)
    own.moves(STATE.RETRYING)
    (told,) = await own.later(1)
    labels = {"integration": "db", "type": "storage", "cause": "db", "severity": "critical", "cluster": "x"}
    assert told["labels"] == {"alertname": "LLMIntegrationFailed", **labels}
    assert told["annotations"] == {"summary": "db is down", "description": "it broke"}
    assert (told["startsAt"], told["endsAt"]) == (stamp(began), stamp(own.clock.now() + LASTS))
    assert names(await own.later(15)) == ["LLMIntegrationFailed"]
    own.moves(STATE.READY)
    ended = stamp(own.clock.now())
    for seconds in (0, 1, LASTS - 2):
        (over,) = await own.later(seconds)
        assert over["endsAt"] == ended
    assert await own.later(1) == []


async def test_what_is_down_again_is_not_told_to_be_over() -> None:
    own = Own(after=0)
    own.moves(STATE.FAILED)
    (first,) = await own.later(1)
    own.moves(STATE.READY)
    own.moves(STATE.FAILED)
    (again,) = await own.later(1)
    assert again["labels"] == first["labels"]
    assert again["endsAt"] == stamp(own.clock.now() + LASTS)


async def test_one_that_was_down_for_a_moment_is_not_worth_a_word() -> None:
    own = Own()
    own.moves(STATE.FAILED)
    own.moves(STATE.READY)
    assert await own.later(100) == []


@pytest.mark.parametrize("state", [STATE.BLOCKED, STATE.DEGRADED, STATE.STOPPING, STATE.INITIALIZING])
async def test_other_states_are_no_alert(state: IntegrationState) -> None:
    own = Own(after=0)
    own.moves(state)
    assert await own.later(100) == []


@pytest.mark.parametrize(("window", "hours"), [("day", 24), ("total", 24), ("month", 31 * 24)])
async def test_a_budget_is_told_of_until_its_period_ends(window: Any, hours: float) -> None:
    own = Own()
    budget = Budget(name="b", limit=100, scope="team", window=window)
    own.alerts.budget(BudgetReached(budget=budget, id="red", spent=85, whole=False))
    own.alerts.budget(BudgetReached(budget=budget, id="red", spent=100, whole=True))
    found = await own.later(0)
    assert names(found) == ["LLMBudgetNearlySpent", "LLMBudgetSpent"]
    assert found[0]["labels"] == {
        **{"alertname": "LLMBudgetNearlySpent", "severity": "warning"},
        **{"budget": "b", "team": "red", "cluster": "x"},
    }
    assert found[0]["annotations"] == {"summary": "85% of the budget b is spent"}
    assert await own.later(hours * 3600) == []
