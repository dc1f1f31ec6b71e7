"""The models that there are, looked for again and again, and what is told of each."""

import asyncio
import logging
from collections.abc import Callable

from app.domain.errors import ModelNotFound, UnsupportedFeature
from app.domain.models import Capability, ModelInfo
from app.integrations.model_platforms.local_models.registry import Inventory, LocalModel, scan
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings

_log = logging.getLogger(__name__)


class Shelf:
    """`trouble`: why the folder cannot be looked into, where it can't. `changed` is told which models are gone, or
    are others under the same name.
    """

    def __init__(
        self, provider: str, settings: CustomModelsSettings, changed: Callable[[list[LocalModel]], object]
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._changed = changed
        self._looked = False
        self.inventory = Inventory()
        self.trouble: str | None = None

    @property
    def models(self) -> dict[str, LocalModel]:
        return self.inventory.models

    def find(self, name: str, capability: Capability | None = None) -> LocalModel:
        """Raises ModelNotFound, UnsupportedFeature."""
        model = self.models.get(name)
        if model is None:
            raise ModelNotFound(f"'{self._provider}' has no model '{name}'.", param="model")
        if capability is not None and capability not in model.capabilities:
            raise UnsupportedFeature(f"The local model '{name}' is not made for {capability}.", param="model")
        return model

    async def rescan(self) -> None:
        """Find new, changed and vanished files. A folder that is not there is as good as an empty one."""
        try:
            found, trouble = await asyncio.to_thread(self._scan)
        except OSError as error:
            self._tell(f"The folder of models cannot be read: {error.strerror}.")
            return
        self._tell(trouble)
        before, self.inventory, self._looked = self.inventory, found, True
        for file, reason in found.rejected.items() - before.rejected.items():
            _log.warning("%s can't be used: %s", file, reason)
        if found.models != before.models:
            gone = [model for name, model in before.models.items() if found.models.get(name) != model]
            self._changed(gone)

    def _scan(self) -> tuple[Inventory, str | None]:
        before = self.inventory if self._looked else None
        directory, demo = self._settings.directory, self._settings.demo
        try:
            return scan(directory, demo=demo, before=before), None
        except FileNotFoundError:
            missing = f"The folder of models, {directory}, is not there; it is used as soon as it is."
            return scan(None, demo=demo, before=before), missing

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble


def told(model: LocalModel, provider: str, *, window: int, slots: int, loaded: bool, loading: bool) -> ModelInfo:
    return ModelInfo(
        id=model.id,
        provider=provider,
        capabilities=model.capabilities,
        context_window=window,
        slots=slots,
        size_bytes=model.size_bytes,
        format=model.format,
        quantization=model.header.quantization,
        family=model.header.architecture,
        loaded=loaded,
        loading=loading,
        license=model.header.license,
        created=model.created,
        owned_by=provider,
        description=model.header.name,
        details={"parameters": model.header.parameters, "trained_context": model.header.context_length},
    )
