"""When a model is due, and how large a setting says that memory is."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.integrations.model_platforms.local_models.schedule import Prewarm, next_due
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings

# A Wednesday.
NOW = datetime(2026, 7, 1, 9, 30)


def plan(*entries: dict[str, Any]) -> list[Prewarm]:
    return [Prewarm.model_validate(entry) for entry in entries]


@pytest.mark.parametrize(
    ("entries", "due"),
    [
        ([], None),
        ([{"models": ["a"], "at": ["10:00"]}], (datetime(2026, 7, 1, 10), ["a"])),
        ([{"models": ["a"], "at": ["09:30"]}], (datetime(2026, 7, 2, 9, 30), ["a"])),
        ([{"models": ["a"], "at": ["18:00", "08:00"]}], (datetime(2026, 7, 1, 18), ["a"])),
        ([{"models": ["a"], "at": ["08:00"], "days": ["wed"]}], (datetime(2026, 7, 8, 8), ["a"])),
        ([{"models": ["a"], "at": ["10:00"], "days": ["mon", "tue"]}], (datetime(2026, 7, 6, 10), ["a"])),
        (
            [{"models": ["a"], "at": ["10:00"]}, {"models": ["b", "c"], "at": ["10:00", "09:00"]}],
            (datetime(2026, 7, 1, 10), ["a", "b", "c"]),
        ),
        ([{"models": ["a"], "at": ["10:00"], "days": []}], None),
    ],
)
def test_what_is_due_next(entries: list[dict[str, Any]], due: tuple[datetime, list[str]] | None) -> None:
    assert next_due(plan(*entries), NOW) == due


@pytest.mark.parametrize(
    "entry", [{"models": [], "at": ["10:00"]}, {"models": ["a"], "at": ["25:00"]}, {"at": []}]
)
def test_a_schedule_that_makes_no_sense_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CustomModelsSettings.model_validate({"prewarm": [entry]})


@pytest.mark.parametrize(
    ("told", "size"), [("24GiB", 24 << 30), ("1.5 G", 3 << 29), ("512mb", 512 << 20), (1024, 1024), (None, None)]
)
def test_sizes_of_memory(told: Any, size: int | None) -> None:
    assert CustomModelsSettings.model_validate({"memory_budget": told}).memory_budget == size


@pytest.mark.parametrize("told", ["much", "0", -1, "12 parsecs"])
def test_what_is_no_size(told: Any) -> None:
    with pytest.raises(ValidationError):
        CustomModelsSettings.model_validate({"memory_budget": told})
