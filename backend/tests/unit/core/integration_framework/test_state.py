import pytest

from app.core.integration_framework.errors import IllegalTransition
from app.core.integration_framework.state import (
    INITIAL_STATES,
    TRANSITIONS,
    IntegrationState,
    Lifecycle,
    state_diagram,
)
from app.testing.clock import VirtualClock

S = IntegrationState
EVERY_MOVE = [(old, new) for old in S for new in S]


def test_ready_and_degraded_serve_and_nothing_else() -> None:
    assert {state for state in S if state.serves} == {S.READY, S.DEGRADED}


def test_every_state_has_a_row_and_is_reached() -> None:
    assert set(TRANSITIONS) == set(S)
    reached = set(INITIAL_STATES).union(*TRANSITIONS.values())
    assert reached == set(S)


def test_everything_enabled_can_be_stopped() -> None:
    for state in set(S) - {S.DISABLED, S.STOPPING, S.STOPPED}:
        assert S.STOPPING in TRANSITIONS[state]


@pytest.mark.parametrize(("old", "new"), EVERY_MOVE)
def test_lifecycle_makes_the_legal_moves_and_only_those(old: S, new: S) -> None:
    told: list[tuple[S, S, str]] = []
    clock = VirtualClock(now=50.0)
    lifecycle = Lifecycle("x", old, clock, lambda *move: told.append(move))
    if new in TRANSITIONS[old]:
        lifecycle.move(new, "because")
        assert (lifecycle.state, lifecycle.reason, lifecycle.since) == (new, "because", 50.0)
        assert told == [(old, new, "because")]
    else:
        with pytest.raises(IllegalTransition, match=f"x: {old} -> {new}"):
            lifecycle.move(new)
        assert (lifecycle.state, told) == (old, [])


async def test_settling_in_changes_only_the_reason_where_the_state_is_right() -> None:
    told: list[object] = []
    clock = VirtualClock(now=50.0)
    lifecycle = Lifecycle("x", S.READY, clock, lambda *move: told.append(move))
    await clock.advance(5.0)
    lifecycle.settle_in(S.READY, "still")
    assert (lifecycle.reason, lifecycle.since, told) == ("still", 50.0, [])
    lifecycle.settle_in(S.DEGRADED, "worse")
    assert (lifecycle.state, lifecycle.since, len(told)) == (S.DEGRADED, 55.0, 1)


def test_diagram_shows_exactly_the_table() -> None:
    lines = state_diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    drawn = {tuple(line.strip().split(" --> ")) for line in lines[1:]}
    wanted = {(old.name, new.name) for old, targets in TRANSITIONS.items() for new in targets}
    assert drawn == wanted | {("[*]", state.name) for state in INITIAL_STATES}
    assert len(lines) == len(drawn) + 1
