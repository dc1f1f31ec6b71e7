"""The models of one Ollama server: a snapshot, taken anew now and then, and told of when it changed."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamTimeout, UpstreamUnavailable
from app.domain.models import ModelInfo, ModelLoaded, ModelUnloaded, Resident
from app.integrations.model_platforms.ollama import errors, names
from app.integrations.model_platforms.ollama.client import Installed, OllamaClient, Running, Shown
from app.integrations.model_platforms.ollama.discovery import KnownModel, describe, resident
from app.integrations.model_platforms.ollama.settings import OllamaSettings

_SHOWN_AT_ONCE = 4


class ModelLibrary:
    """`changed` is called after a refresh whose picture differs from the one before, with what came into memory
    and what left it.
    """

    def __init__(
        self,
        client: OllamaClient,
        *,
        provider: str,
        settings: OllamaSettings,
        changed: Callable[[Sequence[ModelLoaded | ModelUnloaded]], None],
    ) -> None:
        self._client = client
        self._provider = provider
        self._settings = settings
        self._changed = changed
        self._known: dict[str, KnownModel] = {}
        self._infos: tuple[ModelInfo, ...] = ()
        self._running: list[Running] = []
        # Canonical names.
        self._pinned: set[str] = set()
        # What /api/show said, by name and digest: a model whose digest stands has nothing new to tell.
        self._shown: dict[tuple[str, str], Shown] = {}
        self._refreshing = asyncio.Lock()
        self._refreshed_at = float("-inf")

    def models(self) -> Sequence[ModelInfo]:
        return self._infos

    def residents(self) -> Sequence[Resident]:
        """As the last look found them."""
        return [resident(each, pinned=self.is_pinned(each.name)) for each in self._running]

    def is_pinned(self, name: str) -> bool:
        return names.canonical(name) in self._pinned

    def pin(self, name: str, pinned: bool) -> None:
        (self._pinned.add if pinned else self._pinned.discard)(names.canonical(name))

    async def find(self, name: str) -> KnownModel:
        """Looks once more at the server before it raises ModelNotFound: someone may just have pulled the model."""
        wanted = names.canonical(names.check(name))
        if wanted not in self._known:
            await self.refresh()
        known = self._known.get(wanted)
        if known is None:
            raise errors.model_not_found(self._provider, name)
        return known

    async def refresh_if_due(self) -> None:
        if time.monotonic() - self._refreshed_at >= self._settings.model_refresh_interval:
            await self.refresh()

    async def refresh(self) -> None:
        """Raises PlatformError when the server does not answer; the picture then stays what it was."""
        async with self._refreshing:
            installed = await self._client.tags()
            running = [] if self._settings.in_cloud else await self._client.ps()
            shown = await self._show_all(installed)
            loaded = {names.canonical(each.name): each for each in running}
            known = {
                name: describe(
                    self._provider, each, shown.get(_key(each), Shown()), self._settings, loaded.get(name)
                )
                for name, each in ((names.canonical(each.name), each) for each in installed)
            }
            self._shown, self._running = shown, running
            self._refreshed_at = time.monotonic()
            self._swap(known)

    def _swap(self, known: dict[str, KnownModel]) -> None:
        if known == self._known:
            return
        before, self._known = self._in_memory(), known
        self._infos = tuple(each.info for each in known.values())
        now = self._in_memory()
        came = [ModelLoaded(integration=self._provider, model=name) for name in sorted(now - before)]
        went = [ModelUnloaded(integration=self._provider, model=name) for name in sorted(before - now)]
        self._changed([*came, *went])

    def _in_memory(self) -> set[str]:
        return {info.id for info in self._infos if info.loaded}

    async def _show_all(self, installed: Sequence[Installed]) -> dict[tuple[str, str], Shown]:
        """Descriptions by key. A model that can't be shown now is left out, and asked for again the next time."""
        shown: dict[tuple[str, str], Shown] = {}
        for some in _batches(installed, _SHOWN_AT_ONCE):
            told = await asyncio.gather(*(self._show(each) for each in some), return_exceptions=True)
            for each, answer in zip(some, told, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                if answer is not None:
                    shown[_key(each)] = answer
        return shown

    async def _show(self, installed: Installed) -> Shown | None:
        remembered = self._shown.get(_key(installed))
        if remembered is not None:
            return remembered
        try:
            return await self._client.show(installed.name)
        except (UpstreamUnavailable, UpstreamTimeout, ProviderProtocolError):
            raise
        except PlatformError:
            return None


def _key(installed: Installed) -> tuple[str, str]:
    return installed.name, installed.digest


def _batches(models: Sequence[Installed], size: int) -> Iterator[Sequence[Installed]]:
    return (models[start : start + size] for start in range(0, len(models), size))
