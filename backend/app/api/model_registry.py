"""One registry over all integrations: every name that requests may use, what is known of it, and where it is."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.context import ApiContext
from app.api.models import status_of, visible
from app.domain.models import Resident
from app.domain.ports import ModelKeeper
from app.domain.principal import Principal
from app.inference.call import Target

Residents = Mapping[tuple[str, str], list[Resident]]


def registered(context: ApiContext, principal: Principal) -> list[dict[str, Any]]:
    """One for each name and target. Asks nobody: what an integration that is down last told stands."""
    residents = _residents(context)
    return [
        _described(entry.name, target, residents)
        for entry in visible(context, principal)
        for target in entry.targets
    ]


def _residents(context: ApiContext) -> Residents:
    found: dict[tuple[str, str], list[Resident]] = defaultdict(list)
    for keeper in context.manager.providing(ModelKeeper):
        for resident in keeper.residents():
            found[keeper.name, resident.model].append(resident)
    return found


def _described(name: str, target: Target, residents: Residents) -> dict[str, Any]:
    known: dict[str, Any] = {"capabilities": []} if target.known is None else msgspec.to_builtins(target.known)
    there = residents.get((target.integration, target.model), [])
    return {
        **known,
        "id": name,
        "provider": target.integration,
        "model": target.model,
        "available": target.serving,
        "status": status_of(target.known) if target.serving else "unavailable",
        **({} if target.price is None else {"price": target.price}),
        **({"residents": [_without_name(resident) for resident in there]} if there else {}),
    }


def _without_name(resident: Resident) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(resident)
    del told["model"]
    return told
