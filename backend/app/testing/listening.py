"""An integration that remembers every call it is told of, or raises instead."""

from pydantic import BaseModel, ConfigDict

from app.core.integration_framework import BaseIntegration, IntegrationConfig
from app.domain.calls import EndedCall


class ListeningSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fail: bool = False


class ListeningIntegration(BaseIntegration):
    """Satisfies CallSink."""

    settings_model = ListeningSettings
    settings: ListeningSettings

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self.calls: list[EndedCall] = []

    async def initialize(self) -> None: ...

    async def health_check(self) -> None: ...

    async def shutdown(self) -> None: ...

    def call_ended(self, call: EndedCall) -> None:
        self.calls.append(call)
        if self.settings.fail:
            raise RuntimeError("a listener that fails, on demand")
