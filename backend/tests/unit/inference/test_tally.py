"""Figures of calls: what counts as what, and that there is an end to the names."""

import pytest

from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.stages.account import CallRecord
from app.inference.tally import MAX_MODELS, OTHER, ModelFigures, Tally

CALL = Call(id="c", operation="chat", model="m", decode=dict)


def record(model: str = "m", outcome: str = "ok", usage: Usage | None = None, reached: bool = True) -> CallRecord:
    return CallRecord(
        id="c",
        principal="p",
        front_end="grpc",
        operation="chat",
        model=model,
        integration="i" if reached else None,
        target_model=model,
        attempts=1,
        outcome=outcome,
        seconds=0.5,
        first_event_seconds=None,
        usage=usage,
    )


@pytest.mark.parametrize(
    ("outcome", "errors", "cancelled"),
    [("ok", 0, 0), ("cancelled", 0, 1), ("unavailable", 1, 0), ("internal", 1, 0)],
)
def test_a_call_that_ended_is_counted_by_how_it_ended(outcome: str, errors: int, cancelled: int) -> None:
    tally = Tally()
    tally.began(CALL)
    tally.ended(record(outcome=outcome, usage=Usage(input_tokens=3, output_tokens=2)))
    wanted = ModelFigures(
        requests=1, errors=errors, cancelled=cancelled, input_tokens=3, output_tokens=2, seconds=0.5
    )
    figures = tally.snapshot()
    assert (figures.active, figures.total, figures.models) == (0, wanted, {"m": wanted})


def test_a_snapshot_stays_as_it_was_and_the_version_tells_of_changes() -> None:
    tally = Tally()
    versions = [tally.version]
    tally.began(CALL)
    during = tally.snapshot()
    versions.append(tally.version)
    tally.ended(record())
    versions.append(tally.version)
    assert len(set(versions)) == 3
    assert (during.active, during.total.requests, during.models) == (1, 0, {})
    tally.snapshot().models["m"].requests = 99
    assert tally.snapshot().models["m"].requests == 1


def test_there_is_an_end_to_the_names() -> None:
    tally = Tally()
    for number in range(MAX_MODELS + 50):
        tally.ended(record(f"model-{number}"))
        tally.ended(record(f"unknown-{number}", reached=False))
    figures = tally.snapshot()
    assert len(figures.models) == MAX_MODELS + 1 or len(figures.models) == MAX_MODELS
    assert OTHER in figures.models
    assert (
        sum(each.requests for each in figures.models.values()) == figures.total.requests == 2 * (MAX_MODELS + 50)
    )
