"""A reload: from the integrations that run to those that are wanted now, without dropping a request.

What is new comes up first and what is removed goes last, so that requests can be moved in between. What did not
change is not touched. What changed gets a new instance beside the old one; it takes over when it is READY, and
the old one is shut down when the requests on it are over, after `drain` seconds at the latest, for which nobody
waits. If it does not become READY the old one stays and the change is refused. An old one that does not serve
anyway, or is `exclusive`, is stopped first.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.core.integration_framework.fleet import Fleet
from app.core.integration_framework.graph import dependency_graph
from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.supervisor import Supervisor
from app.core.integration_framework.types import IntegrationConfig

Going = Callable[[], bool]
"""False once the manager is being stopped, so that a reload under way ends soon."""


class Reconfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload did, as names. `refused`: changes that did not come up, each with the reason; their old
    instances go on.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    refused: dict[str, str] = {}


async def bring_up(
    fleet: Fleet, wanted: Mapping[str, IntegrationConfig], going: Going, *, drain: float
) -> Reconfiguration:
    """The first half. Returns when every changed integration has taken over or was refused; added ones may still
    be starting, and those to be removed still serve.
    """
    before = {name: supervisor.config for name, supervisor in fleet.supervisors.items()}
    added = [name for name in wanted if name not in before]
    changed = [name for name in wanted if name in before and wanted[name] != before[name]]
    # A change that closes a cycle would also fail those that run on the way round.
    cyclic = dependency_graph({name: config.dependencies for name, config in wanted.items()}).cyclic
    refused = {name: cyclic[name] for name in changed if name in cyclic}
    for name in added:
        fleet.admit(fleet.build(wanted[name]))
    fleet.rewire({name: config for name, config in wanted.items() if name not in refused})
    for name in added:
        fleet.supervisors[name].start()

    refused |= await _change_in_turn(
        fleet, [wanted[name] for name in changed if name not in refused], going, drain
    )

    return Reconfiguration(
        added=tuple(added),
        changed=tuple(name for name in changed if name not in refused),
        removed=tuple(name for name in before if name not in wanted),
        unchanged=tuple(name for name in wanted if name in before and name not in changed),
        refused=refused,
    )


def take_down(fleet: Fleet, summary: Reconfiguration, *, drain: float) -> None:
    """The second half: those that are not wanted any more leave in the background."""
    for name in summary.removed:
        fleet.dismiss(fleet.supervisors[name], "removed from the configuration", drain)
    fleet.rewire()


async def _change_in_turn(
    fleet: Fleet, configs: Sequence[IntegrationConfig], going: Going, drain: float
) -> dict[str, str]:
    """Side by side, but each after what it depends on, which would otherwise be found half exchanged."""
    done = {config.name: asyncio.Event() for config in configs}

    async def in_turn(config: IntegrationConfig) -> str | None:
        try:
            for name in config.dependencies:
                if name in done:
                    await done[name].wait()
            return await _change(fleet, config, going, drain)
        finally:
            done[config.name].set()

    refusals = await asyncio.gather(*(in_turn(config) for config in configs))
    return {config.name: refusal for config, refusal in zip(configs, refusals, strict=True) if refusal is not None}


async def _change(fleet: Fleet, config: IntegrationConfig, going: Going, drain: float) -> str | None:
    """Returns why the change was refused, or None when it took over."""
    old, new = fleet.supervisors[config.name], fleet.build(config)
    if config.enabled and old.state.serves and not (old.instance is not None and old.instance.exclusive):
        return await _exchange(fleet, old, new, going, drain)
    if config.enabled:
        await old.stop("reconfigured")
    _take_over(fleet, old, new, drain)
    new.start()
    return None


async def _exchange(fleet: Fleet, old: Supervisor, new: Supervisor, going: Going, drain: float) -> str | None:
    fleet.candidates.add(new)
    try:
        new.start()
        await fleet.until(lambda: fleet.settled(new) or not going())
    finally:
        fleet.candidates.discard(new)
    if new.state is IntegrationState.READY:
        _take_over(fleet, old, new, drain)
        return None
    refusal = f"{new.state}: {new.reason}" if going() else "the platform is being stopped"
    await new.stop()
    return refusal


def _take_over(fleet: Fleet, old: Supervisor, new: Supervisor, drain: float) -> None:
    fleet.admit(new)
    fleet.dismiss(old, "reconfigured", drain)
    fleet.wake_dependents(new.name)
