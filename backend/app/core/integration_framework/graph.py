"""Who depends on whom: waves for starting and stopping, and what is wrong with the wishes. No states here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter


@dataclass(frozen=True)
class DependencyGraph:
    """`waves`: each integration stands in a later wave than what it depends on. `cyclic`: the members of cycles,
    each with a sentence for its owner; a cycle's edges do not count for the waves. `dependents`: by name, direct
    ones, sorted; also for names that are wanted but not there. `edges`: the dependencies that count for the waves.
    """

    waves: tuple[tuple[str, ...], ...]
    cyclic: Mapping[str, str]
    dependents: Mapping[str, tuple[str, ...]]
    edges: Mapping[str, Sequence[str]]

    def above(self, name: str) -> tuple[tuple[str, ...], ...]:
        """The waves of all that depends on `name`, directly or not."""
        found = {name}
        for wave in self.waves:
            found.update(one for one in wave if not found.isdisjoint(self.edges[one]))
        found.discard(name)
        waves = (tuple(one for one in wave if one in found) for wave in self.waves)
        return tuple(wave for wave in waves if wave)


def dependency_graph(dependencies: Mapping[str, Iterable[str]]) -> DependencyGraph:
    """From each name to the names that it depends on. Never raises: faults are part of the answer."""
    edges = {
        name: sorted({other for other in wanted if other in dependencies}) for name, wanted in dependencies.items()
    }
    cyclic: dict[str, str] = {}
    while True:
        try:
            waves = _waves(edges)
            break
        except CycleError as error:
            members = error.args[1][::-1]
            sentence = f"dependency cycle: {' -> '.join(members)}"
            for name in members:
                cyclic[name] = sentence
                edges[name] = []
    return DependencyGraph(waves, cyclic, _dependents(dependencies), edges)


def _waves(edges: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    sorter = TopologicalSorter(edges)
    sorter.prepare()
    waves = []
    while sorter.is_active():
        wave = sorter.get_ready()
        waves.append(tuple(sorted(wave)))
        sorter.done(*wave)
    return tuple(waves)


def _dependents(dependencies: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {name: set() for name in dependencies}
    for name, wanted in dependencies.items():
        for other in wanted:
            found.setdefault(other, set()).add(name)
    return {name: tuple(sorted(others)) for name, others in found.items()}
