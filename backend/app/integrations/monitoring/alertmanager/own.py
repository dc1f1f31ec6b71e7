"""The platform's own alerts, where no Prometheus tells of them: an integration is down, a budget nears its end.

They have the names and labels that the rules of monitoring/llm_platform_rules.yml give them. Nothing is sent here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.core.clock import Clock
from app.core.integration_framework import IntegrationState, IntegrationType, StateChanged
from app.domain.limits import BudgetReached
from app.integrations.monitoring.alertmanager.wire import stamp

LASTS = 300.0
"""Seconds after which an alert is over that nobody repeats, as when the platform itself is."""

_DOWN = frozenset({IntegrationState.FAILED, IntegrationState.RETRYING})
_OVER = frozenset({IntegrationState.READY, IntegrationState.DEGRADED, IntegrationState.STOPPED})


class _Own(msgspec.Struct):
    """`until`: when it is over by itself, or was. `sent`: whether Alertmanager has been told."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: float
    until: float | None = None
    sent: bool = False


class OwnAlerts:
    """`after`: seconds that an integration may be down before it is worth a word. `labels`: of every alert."""

    def __init__(self, clock: Clock, after: float, labels: Mapping[str, str]) -> None:
        self._clock = clock
        self._after = after
        self._labels = labels
        self._held: dict[str, _Own] = {}
        self._over: dict[str, _Own] = {}

    def integration(self, event: StateChanged, kind: IntegrationType) -> None:
        name = event.name
        if event.new in _DOWN:
            labels = {"integration": name, "type": str(kind), "cause": name}
            self._hold(_key(name), "LLMIntegrationFailed", "critical", labels, f"{name} is down", event.reason)
        elif event.new in _OVER:
            self.over(name)

    def over(self, integration: str) -> None:
        """It is not down any more, or not there."""
        key = _key(integration)
        held = self._held.pop(key, None)
        if held is not None and held.sent:
            held.until = self._clock.now()
            self._over[key] = held

    def budget(self, event: BudgetReached) -> None:
        budget = event.budget
        name, severity = ("LLMBudgetSpent", "critical") if event.whole else ("LLMBudgetNearlySpent", "warning")
        labels = {"budget": budget.name}
        if event.id:
            labels[budget.scope] = event.id
        share = event.spent / budget.limit if budget.limit else 1.0
        summary = f"{share:.0%} of the budget {budget.name} is spent"
        end = _period_end(budget.window, self._clock.now())
        self._hold(f"budget {budget.name} {event.id} {name}", name, severity, labels, summary, "", end)

    def due(self) -> list[Mapping[str, Any]]:
        """What is to be sent now: all that last, again and again, and what is over, until it would be so without a
        word: Alertmanager may not have heard the first.
        """
        now = self._clock.now()
        self._held = {key: own for key, own in self._held.items() if own.until is None or now < own.until}
        self._over = {key: own for key, own in self._over.items() if now < (own.until or 0.0) + LASTS}
        lasting = [own for own in self._held.values() if own.until is not None or now - own.since >= self._after]
        for own in lasting:
            own.sent = True
        return [
            *(_told(own, min(now + LASTS, own.until or now + LASTS)) for own in lasting),
            *(_told(own, own.until or now) for own in self._over.values()),
        ]

    def _hold(
        self,
        key: str,
        name: str,
        severity: str,
        labels: Mapping[str, str],
        summary: str,
        description: str,
        until: float | None = None,
    ) -> None:
        if key in self._held:
            return
        self._over.pop(key, None)
        told = {"alertname": name, "severity": severity, **self._labels, **labels}
        annotations = {"summary": summary, "description": description}
        self._held[key] = _Own(told, annotations, self._clock.now(), until)


def _key(integration: str) -> str:
    return f"integration {integration}"


def _told(own: _Own, ends: float) -> Mapping[str, Any]:
    return {
        "labels": own.labels,
        "annotations": {name: text for name, text in own.annotations.items() if text},
        "startsAt": stamp(own.since),
        "endsAt": stamp(ends),
    }


def _period_end(window: str, now: float) -> float:
    """Of a budget; one without an end is told of for a day."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    if window != "month":
        return day + 86_400
    this = datetime.fromtimestamp(now, UTC)
    year, month = (this.year + 1, 1) if this.month == 12 else (this.year, this.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
