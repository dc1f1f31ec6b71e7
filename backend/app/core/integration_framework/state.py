"""The states of an integration and every legal move between them, once. Who moves when: supervisor.py."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from app.core.clock import Clock
from app.core.integration_framework.errors import IllegalTransition


class IntegrationState(StrEnum):
    DISABLED = "disabled"
    """Switched off: nothing of it is imported."""
    REGISTERED = "registered"
    """Known, not started yet."""
    BLOCKED = "blocked"
    """Something that it depends on does not serve."""
    INITIALIZING = "initializing"
    """Being imported, built and initialised."""
    RETRYING = "retrying"
    """Not ready or no longer healthy; the next try is set."""
    READY = "ready"
    DEGRADED = "degraded"
    """Serves, but its health checks complain."""
    FAILED = "failed"
    """A person must act."""
    STOPPING = "stopping"
    """Takes nothing new, is being shut down."""
    STOPPED = "stopped"

    @property
    def serves(self) -> bool:
        return self in _SERVING


_SERVING = frozenset({IntegrationState.READY, IntegrationState.DEGRADED})

_S = IntegrationState

TRANSITIONS: Mapping[IntegrationState, frozenset[IntegrationState]] = {
    _S.DISABLED: frozenset(),
    _S.REGISTERED: frozenset({_S.BLOCKED, _S.INITIALIZING, _S.FAILED, _S.STOPPING}),
    _S.BLOCKED: frozenset({_S.INITIALIZING, _S.FAILED, _S.STOPPING}),
    _S.INITIALIZING: frozenset({_S.READY, _S.RETRYING, _S.FAILED, _S.STOPPING}),
    _S.RETRYING: frozenset({_S.INITIALIZING, _S.BLOCKED, _S.FAILED, _S.STOPPING}),
    _S.READY: frozenset({_S.DEGRADED, _S.RETRYING, _S.FAILED, _S.STOPPING}),
    _S.DEGRADED: frozenset({_S.READY, _S.RETRYING, _S.FAILED, _S.STOPPING}),
    _S.FAILED: frozenset({_S.BLOCKED, _S.INITIALIZING, _S.STOPPING}),
    _S.STOPPING: frozenset({_S.BLOCKED, _S.FAILED, _S.STOPPED}),
    _S.STOPPED: frozenset({_S.REGISTERED}),
}

INITIAL_STATES = (_S.REGISTERED, _S.DISABLED)


def state_diagram() -> str:
    """TRANSITIONS as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state.name}" for state in INITIAL_STATES)]
    for state, targets in TRANSITIONS.items():
        lines += [f"    {state.name} --> {target.name}" for target in IntegrationState if target in targets]
    return "\n".join(lines) + "\n"


class Lifecycle:
    """One integration's present state, why, and since when (Unix seconds). Only legal moves go through."""

    def __init__(
        self,
        name: str,
        state: IntegrationState,
        clock: Clock,
        moved: Callable[[IntegrationState, IntegrationState, str], None],
    ) -> None:
        """`moved(old, new, reason)` is called after every move."""
        self.name = name
        self.state = state
        self.reason = ""
        self.since = clock.now()
        self._clock = clock
        self._moved = moved

    def move(self, state: IntegrationState, reason: str = "") -> None:
        """Raises IllegalTransition, which only a defect of the framework can cause."""
        old = self.state
        if state not in TRANSITIONS[old]:
            raise IllegalTransition(f"{self.name}: {old} -> {state}")
        self.state, self.reason, self.since = state, reason, self._clock.now()
        self._moved(old, state, reason)

    def settle_in(self, state: IntegrationState, reason: str) -> None:
        """Be in `state` for `reason`: a move if it is another state, else only the reason changes."""
        if state is self.state:
            self.reason = reason
        else:
            self.move(state, reason)
