"""Which targets a model name means: an immutable snapshot, swapped whole when something changes.

A name is looked up as, in this order: a configured model, an alias, `integration/model`, a configured pattern such
as `gpt-*`, the bare name of a model that some integration knows, `publishers/<namespace>/models/<id>`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from app.domain.errors import ModelNotFound
from app.domain.models import ModelInfo
from app.domain.ports import ModelSource
from app.inference.call import Target
from app.inference.entry import OWN_NAME, ModelEntry
from app.inference.policy import ModelPolicy
from app.inference.routes import Route, Routing, patterns
from app.inference.vitals import Fleet, Vitals

logger = logging.getLogger(__name__)

KEPT_NAMES = 1000
"""Names that a snapshot remembers once they were worked out; callers invent names without end."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An integration with models, and whether it serves now."""

    source: ModelSource
    serving: bool
    priority: int = 100
    kind: str = ""


class Catalog:
    """One snapshot. What a name means never changes in it, so a request sees one picture from start to end."""

    def __init__(
        self,
        sources: Iterable[Source] = (),
        routing: Routing | None = None,
        before: "Catalog | None" = None,
        fleet: Fleet | None = None,
    ) -> None:
        """`before`: the last snapshot. An integration that is down forgets its models; callers should hear that
        they are away, not that they never were.
        """
        self._routing = routing or Routing()
        self._fleet = fleet or Fleet()
        self._sources = {source.source.name: source for source in sources}
        known: dict[str, dict[str, ModelInfo]] = before._infos if before is not None else {}
        self._infos: dict[str, dict[str, ModelInfo]] = {
            name: _infos(source, known.get(name, {})) for name, source in self._sources.items()
        }
        self._limited: set[Vitals] = set()
        self._patterns = patterns(self._routing.models)
        self._entries = {entry.name: entry for entry in self._build()}
        self._other_names = {
            alias: entry
            for entry in reversed(self._entries.values())
            if entry.known
            for alias in entry.known.aliases
        }
        self._worked_out: dict[str, ModelEntry] = {}

    def entries(self) -> tuple[ModelEntry, ...]:
        """Every public model: configured ones first, then each integration's own."""
        return tuple(self._entries.values())

    @property
    def complete(self) -> bool:
        """Whether every integration tells its models now: a name that none has is nobody's then. One that takes
        names which it does not list may not have been asked for its list yet.
        """
        return all(
            source.serving and (self._infos[name] or not source.source.accepts_unlisted)
            for name, source in self._sources.items()
        )

    def lists(self, name: str) -> bool:
        """Whether it is a name of its own, which nobody made up."""
        return name in self._entries or name in self._other_names

    def entry(self, name: str) -> ModelEntry:
        """What `name` means. Raises ModelNotFound."""
        found = self._entries.get(name) or self._worked_out.get(name)
        if found is not None:
            return found
        found = self._look_up(name)
        if found is None:
            raise ModelNotFound(
                f"The model '{name[:200]}' does not exist. GET /v1/models lists the models that do.",
                code="model_not_found",
                param="model",
            )
        if len(self._worked_out) < KEPT_NAMES:
            self._worked_out[name] = found
        return found

    def resolve(self, name: str) -> tuple[Target, ...]:
        """The targets of `name` that serve now. Raises ModelNotFound."""
        return tuple(target for target in self.entry(name).targets if target.serving)

    def _look_up(self, name: str) -> ModelEntry | None:
        return (
            self._qualified(name) or self._patterned(name) or self._other_names.get(name) or self._published(name)
        )

    def _build(self) -> Iterable[ModelEntry]:
        """Later ones do not replace earlier ones of the same name."""
        exact = {name: model for name, model in self._routing.models.items() if "*" not in name}
        entries = {
            name: self._entry(name, map(self._configured, model.routes), model.policy, meant="a configured model")
            for name, model in exact.items()
        }
        for source in sorted(self._sources.values(), key=lambda each: (each.priority, each.source.name)):
            for info in self._infos[source.source.name].values():
                self._offer(entries, source, info)
        for alias, name in self._routing.aliases.items():
            found = entries.get(name) or self._qualified(name) or self._patterned(name)
            if found is not None and alias not in exact:
                entries[alias] = msgspec.structs.replace(found, name=alias, meant=f"an alias of '{name}'")
        return entries.values()

    def _offer(self, entries: dict[str, ModelEntry], source: Source, info: ModelInfo) -> None:
        """What an integration has, under its bare name; with several, they are its targets."""
        name = info.id
        if name in self._routing.models:
            return
        found = entries.get(name)
        if found is None and (configured := self._patterned(name)) is not None:
            entries[name] = configured
        elif found is None or found.policy is self._default:
            target = self._target(source, name, info, priority=source.priority)
            entries[name] = self._entry(name, [*(found.targets if found else ()), target])

    @property
    def _default(self) -> ModelPolicy:
        return self._routing.policy.default

    def _entry(
        self,
        name: str,
        targets: Iterable[Target],
        policy: ModelPolicy | None = None,
        *,
        shared: str | None = None,
        meant: str = OWN_NAME,
    ) -> ModelEntry:
        """`shared`: whose budgets it has, where names are without end."""
        targets = tuple(targets)
        retries, hedges = self._fleet.budgets(shared or name)
        windows = [target.context_window for target in targets if target.context_window is not None]
        return ModelEntry(
            name=name,
            targets=targets,
            policy=policy or self._default,
            budget=retries,
            hedges=hedges,
            narrowest=min(windows, default=None),
            meant=meant,
        )

    def _configured(self, route: Route, *, listed: bool = True) -> Target:
        """`listed`: the configuration names the model, and no caller made its name up."""
        source = self._sources.get(route.integration)
        if source is None:
            absent = Source(source=_Absent(route.integration), serving=False)
            return self._target(absent, route.model, None, route, listed=listed)
        known = self._known(route.integration, route.model)
        return self._target(source, known.id if known else route.model, known, route, listed=listed)

    def _patterned(self, name: str) -> ModelEntry | None:
        for pattern in self._patterns:
            routes = pattern.routes(name)
            if routes is not None:
                meant = f"a name of the pattern '{pattern.name}'"
                targets = [self._configured(route, listed=False) for route in routes]
                return self._entry(name, targets, pattern.model.policy, shared=pattern.name, meant=meant)
        return None

    def _qualified(self, name: str) -> ModelEntry | None:
        integration, _, model = name.partition("/")
        source = self._sources.get(integration)
        if source is None or not model:
            return None
        known = self._known(integration, model)
        if known is None and source.serving and not source.source.accepts_unlisted:
            return None  # while it is down, nobody can say that it lacks the model
        target = self._target(source, known.id if known else model, known)
        return self._entry(name, [target], shared=f"{integration}/", meant="a model at an integration")

    def _known(self, integration: str, name: str) -> ModelInfo | None:
        infos = self._infos[integration]
        return infos.get(name) or next((info for info in infos.values() if name in info.aliases), None)

    def _published(self, name: str) -> ModelEntry | None:
        """`publishers/<namespace>/models/<id>`, the form that Models-as-a-Service body routing sends."""
        parts = name.split("/", 3)
        if len(parts) != 4 or parts[0] != "publishers" or parts[2] != "models":
            return None
        return self._entries.get(parts[3]) or self._qualified(parts[3]) or self._patterned(parts[3])

    def _target(
        self,
        source: Source,
        model: str,
        known: ModelInfo | None,
        route: Route | None = None,
        *,
        priority: int = 1,
        listed: bool = False,
    ) -> Target:
        name = source.source.name
        vitals = self._fleet.of(source.source, name, model, listed=listed or known is not None)
        self._limit(vitals, route.slots if route else None, known.slots if known else None)
        route = route or Route(integration=name, model=model, priority=priority)
        return Target(
            source=source.source,
            model=model,
            vitals=vitals,
            known=known,
            serving=source.serving and (known is None or known.serving),
            priority=route.priority,
            weight=route.weight,
            rpm=route.rpm,
            tpm=route.tpm,
            context_window=(known.context_window if known else None) or route.context_window,
            own=source.kind in self._routing.own,
            price=self._routing.price(name, source.kind, model) or (known.price if known else None),
        )

    def _limit(self, vitals: Vitals, configured: int | None, told: int | None) -> None:
        """What is configured for a target holds under each of its names."""
        if configured is not None:
            self._limited.add(vitals)
        elif vitals in self._limited:
            return
        limit = configured or told
        if limit != vitals.slots.limit:
            vitals.slots.limit = limit


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

    def __init__(self, sources: Callable[[], Iterable[Source]], routing: Routing | None = None) -> None:
        self._sources = sources
        self.routing = routing or Routing()
        self.fleet = Fleet(self.routing.policy)
        self._watchers: dict[object, Callable[[], None]] = {}
        self.current = Catalog()

    def rebuild(self, routing: Routing | None = None) -> None:
        """Take a new picture; `routing` replaces what is configured. Errors leave the old snapshot in place."""
        wanted = routing or self.routing
        self.fleet.obey(wanted.policy)
        self.current = Catalog(self._sources(), wanted, self.current, self.fleet)
        self.routing = wanted
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
