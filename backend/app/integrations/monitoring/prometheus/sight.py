"""What can be seen of the platform at the moment of a scrape, as each process sees it, and how several are one."""

import platform as machine
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from app import __version__
from app.core.integration_framework import IntegrationManager, IntegrationState, IntegrationStatus
from app.domain.observing import Observable
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.families import FAMILIES, Family

_BREAKER = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """The value of one series."""

    family: str
    labels: tuple[str, ...]
    value: float


def seen(family: Family, value: float, *labels: str) -> Seen:
    return Seen(family.name, labels, float(value))


def of_this_process(manager: IntegrationManager, platform: Observable) -> Iterator[Seen]:
    """What each process has of its own."""
    yield seen(families.ACTIVE_REQUESTS, platform.active_calls())
    yield seen(families.PROCESSES, 1)
    yield seen(families.BUILD, 1, __version__, machine.python_version())
    for name, offer in platform.offers().items():
        yield seen(families.ACTIVE_MODELS, offer.active, name)
        yield seen(families.LOADED_MODELS, offer.loaded, name)
    for target in platform.targets():
        labels = (target.integration, target.model)
        yield seen(families.IN_FLIGHT, target.in_flight, *labels)
        yield seen(families.BREAKER, _BREAKER[target.breaker], *labels)
        if target.slots is not None:
            yield seen(families.QUEUE, target.waiting, *labels)
            yield seen(families.SLOTS, target.slots, *labels)
    if (ledger := platform.ledger()) is not None:
        yield seen(families.LEDGER_WAITING, ledger.waiting)
        yield seen(families.LEDGER_FAILING, ledger.failing)
        yield seen(families.LEDGER_LOST, ledger.lost)
    statuses = manager.status()
    yield from _graph(statuses)
    causes = root_causes(statuses)
    for name, cause in causes.items():
        if cause != name:
            yield seen(families.BLOCKED_BY, 1, name, cause)
    for model, integrations in platform.unserved().items():
        name = next((each for each in integrations if each in causes), integrations[0])
        yield seen(families.UNSERVED, 1, model, causes.get(name, name))


def root_causes(statuses: Iterable[IntegrationStatus]) -> dict[str, str]:
    """Of each integration that should serve and does not: the one below all that it waits for, or itself."""
    down = {each.name: each for each in statuses if not each.state.serves}
    return {name: _root(name, down) for name, each in down.items() if each.state is not IntegrationState.DISABLED}


def _root(name: str, down: Mapping[str, IntegrationStatus]) -> str:
    passed = {name}
    while below := [each for each in down[name].dependencies if each in down and each not in passed]:
        name = below[0]
        passed.add(name)
    return name


def _graph(statuses: Iterable[IntegrationStatus]) -> Iterator[Seen]:
    for status in statuses:
        if status.state is IntegrationState.DISABLED:
            continue
        for state in IntegrationState:
            if state is not IntegrationState.DISABLED:
                yield seen(families.INTEGRATION_STATE, status.state is state, status.name, status.type, state)
        for dependency in status.dependencies:
            yield seen(families.INTEGRATION_EDGE, 1, status.name, dependency)


async def of_all(platform: Observable) -> list[Seen]:
    """What is the same wherever it is looked at."""
    found: list[Seen] = []
    for budget in await platform.budgets():
        found.append(seen(families.BUDGET_LIMIT, budget.limit, budget.name))
        found.append(seen(families.BUDGET_USED, budget.used, budget.name))
        found.append(seen(families.BUDGET_ALERT, budget.alert, budget.name))
    return found


def together(parts: Iterable[Seen]) -> list[Seen]:
    """One value for each series."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for part in parts:
        key = (part.family, part.labels)
        before = found.get(key)
        if before is None:
            found[key] = part.value
        else:
            summed = FAMILIES[part.family].across == "sum"
            found[key] = before + part.value if summed else max(before, part.value)
    return [Seen(family, labels, value) for (family, labels), value in found.items()]
