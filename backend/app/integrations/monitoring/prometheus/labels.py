"""Closed sets of label values: what callers can make up never becomes one, however many try."""

from collections.abc import Callable

from app.domain.calls import EndedCall
from app.domain.observing import Observable

OTHER = "other"
"""A name that is not known, or one too many."""

NONE = "none"
CACHE = "cache"
"""Providers of calls that reached none, and of those that were answered from the cache."""


class Labels:
    """`tenants`: how many teams have a label of their own. `kind_of`: the kind of an integration, as conventions
    name it.
    """

    def __init__(self, seen: Observable, tenants: int, kind_of: Callable[[str], str]) -> None:
        self._seen = seen
        self._most = tenants
        self._tenants: set[str] = set()
        self._kind_of = kind_of

    def model(self, call: EndedCall) -> str:
        """The name that was asked for if the catalogue has it, else that of the model it led to."""
        name = call.model
        if self._seen.knows_model(name):
            return name
        target = call.target_model
        return target if target is not None and self._seen.knows_model(target) else OTHER

    def target(self, call: EndedCall) -> str:
        """The model as its provider has it."""
        if call.integration is None or call.target_model is None:
            return NONE
        return call.target_model if self._seen.knows_target(call.integration, call.target_model) else OTHER

    def provider(self, call: EndedCall) -> str:
        if call.cached is not None:
            return CACHE
        return call.integration or NONE

    def convention(self, call: EndedCall) -> str:
        """The provider as OpenTelemetry names it."""
        return NONE if call.integration is None else self._kind_of(call.integration)

    def tenant(self, call: EndedCall) -> str:
        if call.team is None:
            return NONE
        if call.team not in self._tenants:
            if len(self._tenants) >= self._most:
                return OTHER
            self._tenants.add(call.team)
        return call.team
