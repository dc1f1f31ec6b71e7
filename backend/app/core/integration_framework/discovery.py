"""From a kind to its class. References are lazy: nothing is imported before it is loaded, and then in a thread of
its own, so that an import that is slow or never ends delays nobody else.

Built-in kinds are handed in; a package adds one with an entry point in the group `app.integrations`. Installing
enables nothing: the configuration does.
"""

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter

from app.core.integration_framework.base import BaseIntegration
from app.core.integration_framework.errors import IntegrationConfigError, IntegrationImportFailed

ENTRY_POINT_GROUP = "app.integrations"

IntegrationClass = type[BaseIntegration]
Reference = str | IntegrationClass
"""`"package.module:Class"`, or the class itself where it is at hand."""

Outcome = IntegrationClass | Exception


def installed_integrations() -> Iterable[EntryPoint]:
    """What the installed packages offer. Reads their metadata from disk."""
    return entry_points(group=ENTRY_POINT_GROUP)


class Registry:
    """Built-ins win over packages, so that installing one never changes what a kind means."""

    def __init__(
        self,
        builtin: Mapping[str, Reference],
        installed: Callable[[], Iterable[EntryPoint]] = installed_integrations,
    ) -> None:
        self._builtin = dict(builtin)
        self._installed = installed
        self._loading: dict[str, asyncio.Future[IntegrationClass]] = {}

    def kinds(self) -> dict[str, str]:
        """Every kind there is and its origin: `"built-in"` or the package's reference. Reads from disk."""
        packaged = {entry.name: entry.value for entry in self._installed()}
        return packaged | dict.fromkeys(self._builtin, "built-in")

    async def load(self, kind: str) -> IntegrationClass:
        """Import the class, at most once at a time. May take for ever: the caller sets the limit.

        Raises IntegrationConfigError for a kind that is unknown or unfit, IntegrationImportFailed with its cause.
        """
        reference = self._builtin.get(kind)
        if isinstance(reference, type):
            return reference
        future = self._loading.get(kind)
        if future is None:
            future = self._loading[kind] = self._load_in_thread(kind)
        # Shielded, since others may wait for the same import, and a later try should find it under way.
        return await asyncio.shield(future)

    def _load_in_thread(self, kind: str) -> asyncio.Future[IntegrationClass]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[IntegrationClass] = loop.create_future()
        # A failure that nobody waited for any more is no news.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

        def finish(outcome: Outcome) -> None:
            self._loading.pop(kind, None)
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        def work() -> None:
            outcome = self._load_now(kind)
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(finish, outcome)

        # Not an executor: a daemon thread that hangs neither uses up a pool nor keeps the process alive.
        threading.Thread(target=work, name=f"load:{kind}", daemon=True).start()
        return future

    def _load_now(self, kind: str) -> Outcome:
        try:
            return _imported(kind, self._reference(kind))
        except (IntegrationConfigError, IntegrationImportFailed) as error:
            return error
        except Exception as error:
            return IntegrationImportFailed(f"the kind {kind!r} cannot be looked up: {error}")

    def _reference(self, kind: str) -> str:
        reference = self._builtin.get(kind)
        if isinstance(reference, str):
            return reference
        offered = {f"{entry.module}:{entry.attr}" for entry in self._installed() if entry.name == kind}
        if not offered:
            raise IntegrationConfigError(
                f"no integration of kind {kind!r}; there are: {', '.join(sorted(self.kinds()))}"
            )
        if len(offered) > 1:
            raise IntegrationConfigError(f"several packages offer the kind {kind!r}: {', '.join(sorted(offered))}")
        return offered.pop()


def _imported(kind: str, reference: str) -> IntegrationClass:
    module, _, attribute = reference.partition(":")
    try:
        found = attrgetter(attribute)(importlib.import_module(module))
    except BaseException as error:  # a module may even call sys.exit()
        raise IntegrationImportFailed(
            f"{reference} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseIntegration)):
        raise IntegrationConfigError(f"kind {kind!r}: {reference} is not a BaseIntegration")
    return found
