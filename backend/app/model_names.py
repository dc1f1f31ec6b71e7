"""Telling that a name of the configuration leads nowhere, as soon as the integrations can say so."""

import logging
from collections.abc import Callable, Iterator

from app.domain.errors import ModelNotFound
from app.inference.catalog import Catalog, LiveCatalog
from app.settings import LoadedSettings
from app.settings.names import mentioned
from app.settings.problems import Problem, problem_at

logger = logging.getLogger(__name__)


class NameWatch:
    """Each name is told of once, in the log. One that only an integration may have that is down is not."""

    def __init__(self, catalog: LiveCatalog, loaded: Callable[[], LoadedSettings]) -> None:
        """`loaded` gives the settings that hold now."""
        self._catalog = catalog
        self._loaded = loaded
        self._told: set[Problem] = set()

    def look(self) -> None:
        """To be called when the catalogue has changed."""
        for problem in _nowhere(self._loaded(), self._catalog.current):
            if problem not in self._told:
                self._told.add(problem)
                logger.warning("%s", problem)


def _nowhere(loaded: LoadedSettings, catalog: Catalog) -> Iterator[Problem]:
    settings = loaded.settings
    for path, name in mentioned(settings):
        if catalog.complete and not _is_known(catalog, name):
            yield problem_at(loaded.layer, path, f"no integration has a model {name!r}")
    for name in settings.models:
        if "*" in name:
            continue
        for index, target in enumerate(catalog.entry(name).targets):
            if target.serving and target.known is None and not target.source.accepts_unlisted:
                message = f"{target.integration!r} has no model {target.model!r} now"
                yield problem_at(loaded.layer, ("models", name, "targets", index, "target"), message)


def _is_known(catalog: Catalog, name: str) -> bool:
    try:
        catalog.entry(name)
    except ModelNotFound:
        return False
    return True
