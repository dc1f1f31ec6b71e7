"""Whichever way a request comes in, the same comes of it. docs/parity.md shows the table."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.parity.matrix import Platform, outcome, platform, wanted, why_not
from tests.contract.parity.scenarios import SCENARIOS, Scenario
from tests.contract.parity.table import NOT_APPLICABLE, SAME, first_cells, head

PAGE = Path(__file__).parents[4] / "docs" / "parity.md"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything() -> AsyncIterator[Platform]:
    async with platform() as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_every_front_end_comes_to_the_same(everything: Platform, scenario: Scenario) -> None:
    able = [each for each in everything.front_ends if why_not(each, scenario) is None]
    told = {each.name: await outcome(everything.gateway, each, scenario) for each in able}
    assert told == {each.name: wanted(each, scenario) for each in able}


async def test_the_page_shows_these_scenarios_and_front_ends(everything: Platform) -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    lines = PAGE.read_text("utf-8").splitlines(keepends=True)
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[0] == head(everything.front_ends)
    shown = ["|".join(row.split("|")[:3]) + "|" for row in rows[2:]]
    assert shown == [first_cells(scenario) for scenario in SCENARIOS], "run `make parity`"
    for row, scenario in zip(rows[2:], SCENARIOS, strict=True):
        able = [why_not(front_end, scenario) is None for front_end in everything.front_ends]
        cells = [cell.strip() for cell in row.split("|")[3:-1]]
        assert cells == [SAME if can else NOT_APPLICABLE for can in able], "run `make parity`"
