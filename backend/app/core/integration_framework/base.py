"""The contract between the platform and an integration. How it is driven: supervisor.py."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from app.core.integration_framework.context import IntegrationContext
from app.core.integration_framework.errors import IntegrationConfigError
from app.core.integration_framework.types import HealthReport, IntegrationConfig


class NoSettings(BaseModel):
    """For an integration that has nothing to set."""

    model_config = ConfigDict(extra="forbid")


class BaseIntegration(ABC):
    """An integration in three methods. This text is the specification; app.testing.contract checks it.

    **One life.** An instance is built, initialised at most once, checked many times, shut down. After a failure, a
    block or a reload the platform builds a new instance, so nothing has to be made fit for a second life. Building
    does no I/O: it only checks the settings.

    **initialize()** makes the integration able to serve and returns when it is. Its exceptions carry meaning:
    IntegrationNotReady (or an UpstreamError) means "try again later"; IntegrationAuthFailed and
    IntegrationConfigError mean "a person must act"; any other exception is a defect and logged with its traceback.
    After a failed initialize(), shutdown() is called.

    **health_check()** says how it is: None or a HealthReport with status HEALTHY is good, DEGRADED means that it
    serves badly, UNHEALTHY or any exception that it does not serve. One check changes nothing, several in a row
    do. It is cheap, never called before initialize() has returned, and not twice at once unless one ignored its
    cancellation.

    **shutdown()** lets go of everything: tasks, connections, files. It is safe without initialize(), after one
    that failed or was cancelled half way, and when called twice. Requests may still run when it is called.

    Each of the three has a time limit and is cancelled when it runs out. None may block the event loop.

    A subclass names its typed settings twice, for the reader and for the checker::

        class Echo(BaseIntegration):
            settings_model = EchoSettings
            settings: EchoSettings

    What it can do is told by the methods it has: `manager.providing(ChatProvider)` finds who satisfies the port.
    """

    settings_model: ClassVar[type[BaseModel]] = NoSettings

    exclusive: ClassVar[bool] = False
    """True where two instances cannot live side by side, as when it binds a port: on a reload the old one is then
    stopped before the new one starts."""

    @property
    def busy(self) -> bool:
        """Whether requests are under way on it. One that a reload has replaced or removed is shut down once it is
        not, though not at once: some may have chosen it and wait in line. True where nobody can tell: then it has
        all the time that a request may take. An integration of which nothing long is asked says `busy = False`.
        """
        return True

    def __init__(self, config: IntegrationConfig) -> None:
        """Raises IntegrationConfigError, naming each wrong setting but not its value, which may be a secret."""
        self.config = config
        self.settings: BaseModel = self._checked_settings(config)
        self.context = IntegrationContext()

    @property
    def name(self) -> str:
        return self.config.name

    @abstractmethod
    async def initialize(self) -> None: ...

    @abstractmethod
    async def health_check(self) -> HealthReport | None: ...

    @abstractmethod
    async def shutdown(self) -> None: ...

    def publish(self, event: object) -> None:
        """Tell whoever subscribed to the event's type, for example ModelsChanged(self.name)."""
        self.context.publish(event)

    @classmethod
    def _checked_settings(cls, config: IntegrationConfig) -> BaseModel:
        try:
            return cls.settings_model.model_validate(config.settings)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(('settings', *map(str, fault['loc'])))}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            )
        raise IntegrationConfigError(faults)
