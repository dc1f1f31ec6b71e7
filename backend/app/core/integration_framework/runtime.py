"""The manager of this process, for code that is not handed one. Bootstrap sets it; nothing is made here."""

from app.core.integration_framework.errors import NoIntegrationManager
from app.core.integration_framework.manager import IntegrationManager

_current: list[IntegrationManager] = []


def set_integration_manager(manager: IntegrationManager | None) -> None:
    """`None` when the platform has stopped."""
    _current[:] = [] if manager is None else [manager]


async def get_integration_manager() -> IntegrationManager:
    """The running platform's manager. Raises NoIntegrationManager when none was started in this process."""
    if not _current:
        raise NoIntegrationManager("the platform is not running in this process: start it with app.bootstrap")
    return _current[0]
