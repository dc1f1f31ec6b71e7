"""What happens, told at once to whoever subscribed. Nothing is stored, nothing is queued.

Metrics, sockets, alerts and the model catalogue listen here; a plugin publishes any object of its own.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.types import HealthStatus, LastCheck

E = TypeVar("E")

_log = logging.getLogger(__name__)


class StateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An integration moved. After a reconfiguration `old` and `new` may be equal: another instance took over."""

    name: str
    old: IntegrationState
    new: IntegrationState
    reason: str = ""


class HealthChecked(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    status: HealthStatus
    check: LastCheck


class EventPublisher:
    """Synchronous: publish() returns when every subscriber has been called, in the order of subscription.

    Only to be used in the event loop's own thread; callbacks must be quick.
    """

    def __init__(self) -> None:
        self._subscribers: list[tuple[type[Any], Callable[[Any], object]]] = []

    def subscribe(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call `callback` for each event that is an `event_type`. Returns what ends that, safe to call twice."""
        entry = (event_type, callback)
        self._subscribers.append(entry)

        def unsubscribe() -> None:
            # By identity: the same callback may be subscribed twice.
            self._subscribers = [other for other in self._subscribers if other is not entry]

        return unsubscribe

    def publish(self, event: object) -> None:
        """A subscriber that raises is logged and hurts no other."""
        for event_type, callback in tuple(self._subscribers):
            if not isinstance(event, event_type):
                continue
            try:
                callback(event)
            except Exception:
                _log.exception("a subscriber failed on %s", type(event).__name__)
