"""Models that a server brings into memory and lets go when it is asked. How is data: Vendor.residence."""

import asyncio
import time
from collections.abc import Mapping

import msgspec

from app.core.http import get_json, post_json
from app.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    NotFound,
    PlatformError,
    UnsupportedFeature,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.models import ModelInfo, ModelLoaded, ModelLoadFailed, ModelUnloaded
from app.integrations.kit.listing import at
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.openai_compatible.integration import (
    TokenCountingIntegration,
    TokenizingIntegration,
)
from app.integrations.model_platforms.openai_compatible.vendor import Residence
from app.wire.openai_chat import errors

# Time between two looks at the list while a model is being loaded, and how long that may take.
_LOOK_SECONDS = 0.25
_LOAD_SECONDS = 600.0


class ResidingIntegration(TokenizingIntegration, TokenCountingIntegration):
    """One whose server loads, unloads and counts: satisfies ModelLoader besides."""

    async def load(self, model: str) -> None:
        """Raises ModelNotFound, UnsupportedFeature where the server was not started for it, UpstreamError."""
        residence, known = self._residence(), self._listed(model)
        if known.loaded:
            return
        began = time.monotonic()
        try:
            await self._ask(residence, residence.load, model)
            await self._settle(residence, model, wanted=True)
        except UpstreamError:
            seconds = time.monotonic() - began
            self.publish(ModelLoadFailed(integration=self.name, model=model, seconds=seconds))
            raise
        self.publish(ModelLoaded(integration=self.name, model=model, seconds=time.monotonic() - began))

    async def unload(self, model: str) -> None:
        residence, known = self._residence(), self._listed(model)
        if known.loaded is False and not known.loading:
            return
        await self._ask(residence, residence.unload, model)
        await self._settle(residence, model, wanted=False)
        self.publish(ModelUnloaded(integration=self.name, model=model))

    async def _fetch_models(self) -> Models:
        """With those that are asleep not to be asked: such a server lets every question wait."""
        found = await super()._fetch_models()
        asleep = await self._asleep()
        if asleep is None:
            return found
        return tuple(msgspec.structs.replace(model, loaded=not asleep, serving=not asleep) for model in found)

    async def _asleep(self) -> bool | None:
        """None where nobody can tell."""
        where = self._residence().asleep
        if where is None:
            return None
        path, field = where
        try:
            told = await get_json(self._connected(), path, first_byte_timeout=self.settings.timeout)
        except (NotFound, UpstreamError):
            return None
        answer = at(told, field)
        return answer if isinstance(answer, bool) else None

    def _residence(self) -> Residence:
        if self.vendor.residence is None:
            raise self._lacking("loading and unloading of models")
        return self.vendor.residence

    def _listed(self, model: str) -> ModelInfo:
        for known in self.models():
            if model == known.id or model in known.aliases:
                return known
        raise ModelNotFound(f"'{self.name}' has no model '{model}'.", param="model")

    async def _ask(self, residence: Residence, path: str, model: str) -> None:
        try:
            await post_json(
                self._connected(),
                path,
                {"model": self._listed(model).id} if residence.named else {},
                decode_error=self._error,
                first_byte_timeout=_LOAD_SECONDS,
            )
        except (NotFound, UnsupportedFeature):
            raise UnsupportedFeature(
                f"The server of '{self.name}' loads and unloads no models: {self.vendor.title} does where it was "
                f"started with {residence.needs}.",
                param="model",
            ) from None
        except InvalidRequest:
            pass  # it is so already; the list will tell

    async def _settle(self, residence: Residence, model: str, *, wanted: bool) -> None:
        """Until the list says that it is so."""
        end = time.monotonic() + _LOAD_SECONDS
        while True:
            await self._known.refresh()
            known = self._listed(model)
            if known.loaded in (wanted, None):
                return
            if wanted and not known.loading:
                raise UpstreamUnavailable(f"'{self.name}' could not load '{model}'.", provider=self.name)
            if time.monotonic() > end:
                raise UpstreamTimeout(f"'{self.name}' takes too long with '{model}'.", provider=self.name)
            await asyncio.sleep(_LOOK_SECONDS)

    def _error(self, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        return errors.decode(status, headers, body, self.name)
