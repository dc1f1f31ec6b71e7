"""Which targets a model name means: an immutable snapshot, swapped whole when something changes.

A name is looked up as, in this order: a configured model (alias), `integration/model`, the bare name of a model
that some integration knows, `publishers/<namespace>/models/<id>`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from app.domain.errors import ModelNotFound, UpstreamUnavailable
from app.domain.models import ModelInfo
from app.domain.ports import ModelSource
from app.inference.call import Target

logger = logging.getLogger(__name__)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A target as configured: `model` at `integration`."""

    integration: str
    model: str
    priority: int = 1
    weight: float = 1.0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An integration with models, and whether it serves now."""

    source: ModelSource
    serving: bool
    priority: int = 100


Routes = Mapping[str, Sequence[Route]]


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A name that callers may use, its targets, and what is known of the first of them."""

    name: str
    targets: tuple[Target, ...]

    @property
    def serving(self) -> bool:
        return any(target.serving for target in self.targets)

    @property
    def known(self) -> ModelInfo | None:
        return next((target.known for target in self.targets if target.known), None)


class Catalog:
    """One snapshot. Never changed after it is made, so a request sees one picture from start to end."""

    def __init__(
        self, sources: Iterable[Source] = (), routes: Routes | None = None, before: "Catalog | None" = None
    ) -> None:
        """`before`: the last snapshot. An integration that is down forgets its models; callers should hear that
        they are away, not that they never were.
        """
        self._sources = {source.source.name: source for source in sources}
        known: dict[str, dict[str, ModelInfo]] = before._infos if before is not None else {}
        self._infos: dict[str, dict[str, ModelInfo]] = {
            name: _infos(source, known.get(name, {})) for name, source in self._sources.items()
        }
        self._entries = {entry.name: entry for entry in self._build(routes or {})}
        # What nearly every request asks for, worked out once a snapshot.
        self._ready = {name: _serving(entry) for name, entry in self._entries.items()}
        self._other_names = {
            alias: entry
            for entry in reversed(self._entries.values())
            if entry.known
            for alias in entry.known.aliases
        }

    def entries(self) -> tuple[ModelEntry, ...]:
        """Every public model: configured ones first, then each integration's own."""
        return tuple(self._entries.values())

    def entry(self, name: str) -> ModelEntry:
        """What `name` means. Raises ModelNotFound."""
        found = (
            self._entries.get(name)
            or self._other_names.get(name)
            or self._qualified(name)
            or self._published(name)
        )
        if found is None:
            raise ModelNotFound(
                f"The model '{name[:200]}' does not exist. GET /v1/models lists the models that do.",
                code="model_not_found",
                param="model",
            )
        return found

    def resolve(self, name: str) -> tuple[Target, ...]:
        """The serving targets of `name`. Raises ModelNotFound, or UpstreamUnavailable when none serves now."""
        ready = self._ready.get(name)
        if ready:
            return ready
        entry = self.entry(name)
        serving = _serving(entry)
        if not serving:
            names = ", ".join(sorted({target.integration for target in entry.targets}))
            raise UpstreamUnavailable(
                f"The model '{name}' is known, but what serves it ({names}) is not available now.",
                provider=names,
                retry_after=5.0,
            )
        return serving

    def _build(self, routes: Routes) -> Iterable[ModelEntry]:
        for name, configured in routes.items():
            yield ModelEntry(name=name, targets=tuple(self._configured(route) for route in configured))
        bare: dict[str, list[Target]] = {}
        for source in sorted(self._sources.values(), key=lambda each: (each.priority, each.source.name)):
            for info in self._infos[source.source.name].values():
                bare.setdefault(info.id, []).append(_target(source, info.id, info, priority=source.priority))
        for name, targets in bare.items():
            if name not in routes:
                yield ModelEntry(name=name, targets=tuple(targets))

    def _configured(self, route: Route) -> Target:
        source = self._sources.get(route.integration)
        if source is None:
            return Target(
                source=_Absent(route.integration),
                model=route.model,
                priority=route.priority,
                weight=route.weight,
                serving=False,
            )
        known = self._infos[route.integration].get(route.model) or self._by_alias(route.integration, route.model)
        return _target(
            source, known.id if known else route.model, known, priority=route.priority, weight=route.weight
        )

    def _qualified(self, name: str) -> ModelEntry | None:
        integration, _, model = name.partition("/")
        source = self._sources.get(integration)
        if source is None or not model:
            return None
        known = self._infos[integration].get(model) or self._by_alias(integration, model)
        if known is None and source.serving and not source.source.accepts_unlisted:
            return None  # while it is down, nobody can say that it lacks the model
        return ModelEntry(name=name, targets=(_target(source, known.id if known else model, known),))

    def _by_alias(self, integration: str, name: str) -> ModelInfo | None:
        return next((info for info in self._infos[integration].values() if name in info.aliases), None)

    def _published(self, name: str) -> ModelEntry | None:
        """`publishers/<namespace>/models/<id>`, the form that Models-as-a-Service body routing sends."""
        parts = name.split("/", 3)
        if len(parts) != 4 or parts[0] != "publishers" or parts[2] != "models":
            return None
        return self._entries.get(parts[3]) or self._qualified(parts[3])


def _target(
    source: Source, model: str, known: ModelInfo | None, *, priority: int = 1, weight: float = 1.0
) -> Target:
    return Target(
        source=source.source, model=model, known=known, serving=source.serving, priority=priority, weight=weight
    )


def _serving(entry: ModelEntry) -> tuple[Target, ...]:
    return tuple(target for target in entry.targets if target.serving)


def _infos(source: Source, before: dict[str, ModelInfo]) -> dict[str, ModelInfo]:
    """What it tells now; while it is down, or if it can't tell, what it told last."""
    try:
        told = {info.id: info for info in source.source.models()}
    except Exception:
        logger.exception("'%s' could not tell its models", source.source.name)
        return before
    return told if told or source.serving else before


class _Absent:
    """Stands for an integration that the configuration names and the platform does not have."""

    accepts_unlisted = False

    def __init__(self, name: str) -> None:
        self.name = name

    def models(self) -> Sequence[ModelInfo]:
        return ()


class LiveCatalog:
    """Holds the current snapshot and makes the next one."""

    def __init__(self, sources: Callable[[], Iterable[Source]], routes: Routes | None = None) -> None:
        self._sources = sources
        self._routes = routes or {}
        self._watchers: dict[object, Callable[[], None]] = {}
        self.current = Catalog()

    def rebuild(self, routes: Routes | None = None) -> None:
        """Take a new picture; `routes` replaces the configured models. Errors leave the old snapshot in place."""
        wanted = self._routes if routes is None else routes
        self.current = Catalog(self._sources(), wanted, self.current)
        self._routes = wanted
        for notify in tuple(self._watchers.values()):
            try:
                notify()
            except Exception:
                logger.exception("a watcher of the catalogue failed")

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify` after each rebuild, changed or not; it must be quick. Returns what ends that."""
        ticket = object()
        self._watchers[ticket] = notify

        def stop() -> None:
            self._watchers.pop(ticket, None)

        return stop
