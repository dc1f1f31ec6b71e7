"""The matrix as a page: rows are scenarios, columns front-ends. Made from a run, never written by hand."""

import sys
from collections.abc import Mapping, Sequence

from tests.contract.parity.matrix import Platform, outcome, wanted, why_not
from tests.contract.parity.outcome import FrontEnd, Outcome
from tests.contract.parity.scenarios import SCENARIOS, Scenario

SAME, DIFFERENT, NOT_APPLICABLE = "=", "**≠**", "n/a"
_HEAD = """# Parity

Every scenario of [scenarios.py](../backend/tests/contract/parity/scenarios.py) through every front-end, over real
sockets, against one gateway. `make parity` runs them all and writes this page. `=`: it came to what stands under
*outcome*, each provider was asked the same, and every upstream was released within half a second; `≠`: it did not;
`n/a`: the protocol has no room for it.

*Outcome* is what the caller is told, in words that belong to no protocol: the text, the calls of tools, the
reason of the end and the tokens (in + out), or what kind of error; then how the platform books the call. Of an
answer that breaks, the text is what had come before; callers who wanted it whole get the error alone.
"""


async def page(platform: Platform) -> str:
    """Runs everything."""
    rows = {scenario.name: await _row(platform, scenario) for scenario in SCENARIOS}
    return _HEAD + "\n" + _table(platform.front_ends, rows) + "\n" + _reasons(platform.front_ends)


def head(front_ends: Sequence[FrontEnd]) -> str:
    return _line(["scenario", "outcome", *(front_end.name for front_end in front_ends)])


def first_cells(scenario: Scenario) -> str:
    return f"| {scenario.name} | {_told(scenario)} |"


async def _row(platform: Platform, scenario: Scenario) -> list[str]:
    cells = []
    for front_end in platform.front_ends:
        if why_not(front_end, scenario) is not None:
            cells.append(NOT_APPLICABLE)
            continue
        try:
            found = await outcome(platform.gateway, front_end, scenario)
        except Exception as error:
            # Nothing that the protocol allows; the test of the same name tells more.
            print(f"{scenario.name} / {front_end.name}: {error!r}", file=sys.stderr)
            cells.append(DIFFERENT)
        else:
            cells.append(SAME if found == wanted(front_end, scenario) else DIFFERENT)
    return cells


def _table(front_ends: Sequence[FrontEnd], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [head(front_ends), _line(["---"] * (len(front_ends) + 2))]
    for scenario in SCENARIOS:
        lines.append(f"{first_cells(scenario)} {' | '.join(rows[scenario.name])} |\n")
    return "".join(lines)


def _reasons(front_ends: Sequence[FrontEnd]) -> str:
    """Each `n/a` with its reason, those of one reason together."""
    found: dict[tuple[str, str], list[str]] = {}
    for scenario in SCENARIOS:
        for front_end in front_ends:
            reason = why_not(front_end, scenario)
            if reason is not None:
                found.setdefault((scenario.name, reason), []).append(front_end.name)
    lines = [f"- {scenario}: {reason} ({'; '.join(names)}).\n" for (scenario, reason), names in found.items()]
    return "What is not applicable, and why:\n\n" + "".join(lines)


def _told(scenario: Scenario) -> str:
    told: Outcome = scenario.wanted
    words = [_shortened(told.reasoning), _shortened(told.text)]
    words += [f"{name}({arguments})" for _, name, arguments in told.calls]
    words = [f"`{word}`" for word in words if word]
    if told.finish is not None:
        words.append(told.finish)
    if told.usage is not None:
        words.append(f"{told.usage[0]} + {told.usage[1]}")
    if told.error is not None:
        after = "" if told.retry_after is None else f", again after {told.retry_after:g} s"
        words.append(f"error: {told.error}{after}")
    if told.record is not None:
        words.append(f"booked as {told.record}")
    return "; ".join(words)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:8]}… ({len(text):,} characters)"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
