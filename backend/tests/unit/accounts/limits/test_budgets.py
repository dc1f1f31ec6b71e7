"""Budgets: whose they are, when they are spent, and what is told of it."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import pytest

from app.accounts.limits.budgets import Budgets
from app.accounts.limits.families import REFRESH_SECONDS, Families
from app.accounts.usage.schemas import NANOS
from app.domain.errors import BudgetExceeded, Unavailable
from app.domain.limits import Budget, BudgetReached
from app.domain.ports import SpendScope, SpendWindow
from app.domain.principal import Principal
from app.testing.clock import VirtualClock

TOP, BELOW = Principal(id="key:a", key="a", line=("a",), team="x"), Principal(id="key:b", key="b", line=("a", "b"))
OTHER, OPERATOR = Principal(id="key:c", key="c", line=("c",), team="y"), Principal(id="operator")
DOLLAR = NANOS


class Spent(dict[tuple[SpendScope, str], float]):
    """What was spent in dollars, whatever the window, which it notes."""

    known = True
    asked: SpendWindow | None = None

    @property
    def version(self) -> object:
        return object()

    def listen(self, _: Callable[[str, int], object]) -> None:
        """Nothing is recorded here."""

    def spenders(self, scope: SpendScope) -> Iterable[str]:
        return [id for each, id in self if each == scope]

    def spent(self, scope: SpendScope, id: str, window: SpendWindow) -> int:
        self.asked = window
        return round(self.get((scope, id), 0.0) * NANOS)


async def below() -> Iterable[str]:
    return ["a/b", "a/b/d"]


class Case:
    def __init__(self, *budgets: Budget) -> None:
        self.spent, self.told, self.clock = Spent(), list[BudgetReached](), VirtualClock()
        self.subject = Budgets(self.spent, Families(below), self.told.append, self.clock)
        self.subject.budgets = budgets

    def refused(self, principal: Principal) -> bool:
        try:
            self.subject.check(principal)
        except BudgetExceeded as error:
            assert (error.code, error.retry_after) == ("insufficient_quota", None)  # noqa: PT017
            return True
        return False


@pytest.mark.parametrize(
    ("budget", "spent", "refused"),
    [
        ({}, ("platform", ""), {TOP, BELOW, OTHER, OPERATOR}),
        ({"scope": "team", "id": "x"}, ("team", "x"), {TOP}),
        ({"scope": "team"}, ("team", "y"), {OTHER}),
        ({"scope": "key", "id": "c"}, ("key", "c"), {OTHER}),
        ({"scope": "key", "id": "b"}, ("key", "b"), {BELOW}),
        ({"scope": "key", "id": "b"}, ("key", "a"), set()),
        # What is spent with a key is spent by those above it; a budget of those above holds for all below.
        ({"scope": "key", "id": "a"}, ("key", "d"), {TOP, BELOW}),
        ({"scope": "key"}, ("key", "b"), {TOP, BELOW}),
        ({"scope": "key"}, ("key", "c"), {OTHER}),
    ],
)
async def test_whose_budget_it_is(
    budget: dict[str, str], spent: tuple[SpendScope, str], refused: set[Principal]
) -> None:
    case = Case(Budget(name="it", limit=10 * DOLLAR, window="day", **budget))  # type: ignore[arg-type]
    await case.subject.families.refresh()
    case.spent[spent] = 9.99
    assert not any(case.refused(each) for each in (TOP, BELOW, OTHER, OPERATOR))
    case.spent[spent] = 10.0
    assert {each for each in (TOP, BELOW, OTHER, OPERATOR) if case.refused(each)} == refused
    assert case.spent.asked == "day"


async def test_what_is_reached_is_told_once_a_period(caplog: pytest.LogCaptureFixture) -> None:
    case = Case(Budget(name="small", limit=10 * DOLLAR, window="day", scope="team", alert=0.5))
    steps = []
    for spent in (4.9, 5.0, 6.0, 10.0, 11.0):
        case.spent["team", "x"] = spent
        case.refused(TOP)
        steps.append([(each.id, each.whole, each.spent / NANOS) for each in case.told])
    assert [len(step) for step in steps] == [0, 1, 1, 2, 2]
    assert steps[-1] == [("x", False, 5.0), ("x", True, 10.0)]
    await case.clock.advance(86_400)
    case.refused(TOP)
    assert len(case.told) == 3
    lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert lines[:2] == [
        "the budget 'small' of the team 'x': 5.00 of 10.00 USD a day are spent",
        "the budget 'small' of the team 'x': 10.00 of 10.00 USD a day are spent; its requests are refused",
    ]


@pytest.mark.parametrize(("window", "told"), [("day", [1, 2, 3]), ("month", [1, 1, 2]), ("total", [1, 1, 1])])
async def test_a_new_period_is_told_of_anew(window: SpendWindow, told: list[int]) -> None:
    case = Case(Budget(name="small", limit=10 * DOLLAR, window=window, alert=0.5))
    case.spent["platform", ""] = 5.0
    counts = []
    for days in (0, 1, 31):
        await case.clock.advance(days * 86_400)
        case.refused(TOP)
        counts.append(len(case.told))
    assert counts == told


def test_callers_are_told_of_their_own_money_only() -> None:
    case = Case(Budget(name="all", limit=10 * DOLLAR), Budget(name="x", limit=DOLLAR, scope="team", id="x"))
    case.spent["platform", ""], case.spent["team", "x"] = 0.0, 1.0
    with pytest.raises(BudgetExceeded, match=r"The budget of 1\.00 USD a month of this team is spent\."):
        case.subject.check(TOP)
    case.spent["platform", ""] = 12.0
    with pytest.raises(BudgetExceeded, match=r"^The platform's budget is spent: ask its operator\.$"):
        case.subject.check(OTHER)


def test_it_is_said_once_that_the_past_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    case = Case(Budget(name="all", limit=10 * DOLLAR))
    case.spent.known = False
    case.refused(TOP)
    case.refused(TOP)
    assert [record.message for record in caplog.records] == [
        "what was spent before the start is not known yet; budgets count what is spent since"
    ]


async def test_families_stay_known_while_nobody_tells() -> None:
    answers: list[list[str] | Exception] = [["a/b"], Unavailable("away"), ["a/b", "a/c"]]

    async def paths() -> Iterable[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    clock = VirtualClock()
    families = Families(paths, clock)
    assert set(families.of("a")) == {"a"}
    task = asyncio.create_task(families.keep_up())
    seen = []
    for _ in range(3):
        await clock.settle()
        seen.append(set(families.of("a")))
        if len(answers):
            await clock.advance(REFRESH_SECONDS)
    task.cancel()
    assert seen == [{"a", "b"}, {"a", "b"}, {"a", "b", "c"}]


async def test_the_fullest_of_many_is_found_while_others_go_on() -> None:
    case = Case(Budget(name="each", limit=100 * DOLLAR, scope="key"), Budget(name="none", limit=0))
    case.spent.update({("key", str(number)): number / 100 for number in range(5000)})
    looking = asyncio.create_task(case.subject.fullest())
    turns = 0
    while not looking.done():
        turns += 1
        await asyncio.sleep(0)
    assert [(budget.name, used) for budget, used in await looking] == [("each", 0.4999), ("none", 1.0)]
    assert turns > 10
