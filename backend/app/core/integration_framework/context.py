"""What the platform gives to a plugin: a voice, shared objects, and the integrations that it depends on."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from app.core.integration_framework.errors import MissingResource, UnknownIntegration
from app.core.integration_framework.events import EventPublisher

if TYPE_CHECKING:
    from app.core.integration_framework.base import BaseIntegration

T = TypeVar("T")


def _no_dependency(name: str) -> "BaseIntegration":
    raise UnknownIntegration(f"{name!r} is not among the declared dependencies")


class IntegrationContext:
    """Without arguments it is detached: events go nowhere and nothing is shared. Good for using a plugin alone."""

    def __init__(
        self,
        events: EventPublisher | None = None,
        resources: Mapping[type[Any], object] | None = None,
        dependency: Callable[[str], "BaseIntegration"] = _no_dependency,
    ) -> None:
        self._events = events or EventPublisher()
        self._resources = {} if resources is None else resources
        self._dependency = dependency

    def publish(self, event: object) -> None:
        """Tell every subscriber of the event's type, at once."""
        self._events.publish(event)

    def resource(self, cls: type[T]) -> T:
        """The object that the platform shares under `cls`. Raises MissingResource."""
        try:
            found = self._resources[cls]
        except KeyError:
            raise MissingResource(f"nothing is shared under {cls.__name__}") from None
        if not isinstance(found, cls):
            raise MissingResource(f"what is shared under {cls.__name__} is a {type(found).__name__}")
        return found

    def dependency(self, name: str) -> "BaseIntegration":
        """The running instance of a declared dependency. Ask each time: a reload may exchange it.

        Raises UnknownIntegration when `name` is not declared, IntegrationNotLoaded when it is down.
        """
        return self._dependency(name)
