"""Is there money left? What was spent is told by the ledger; here it is held against what may be.

Calls under way when a budget is reached are finished, so what is spent may be more by what they cost, and by what
other processes spent in the last seconds.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from app.accounts.limits.families import Families
from app.accounts.limits.purses import Purses
from app.accounts.usage.schemas import NANOS
from app.accounts.usage.sums import DAY
from app.core.clock import Clock, SystemClock
from app.domain.errors import BudgetExceeded
from app.domain.limits import Budget, BudgetReached
from app.domain.ports import Spending, SpendScope
from app.domain.prices import dollars
from app.domain.principal import Principal

_PERIOD = {"day": "a day", "month": "a month", "total": "in all"}

_AT_ONCE = 500
_KNOWN_CALLERS = 4096
"""Whose budgets need not be looked up again."""

logger = logging.getLogger(__name__)


class Budgets:
    """`budgets` may be exchanged at any time. `publish` is told once a period of what somebody should hear of."""

    def __init__(
        self,
        spending: Spending,
        families: Families,
        publish: Callable[[BudgetReached], object] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self._held: dict[SpendScope, dict[str, list[Budget]]]
        self._all: tuple[Budget, ...]
        self._found: Callable[[str | None, tuple[str, ...]], list[tuple[Budget, str]]]
        self.budgets = ()
        self._spending = spending
        self.families = families
        self._purses = Purses(spending, families)
        self._publish = publish
        self._clock = clock or SystemClock()
        self._told: set[tuple[str, str, str, bool]] = set()
        self._day = -1
        self._periods: Mapping[str, str] = {}
        self._complained = False

    def check(self, principal: Principal) -> None:
        """Raises BudgetExceeded."""
        if principal.line:
            self._purses.learn(principal.line)
        for budget, id in self.of(principal):
            spent = self.spent(budget, id)
            if spent >= budget.limit * budget.alert:
                self._tell(budget, id, spent)
            if spent >= budget.limit:
                raise _exceeded(budget, id)

    async def fullest(self) -> list[tuple[Budget, float]]:
        """Each budget, and the part of it that is spent by whoever has spent most."""
        return [
            (budget, max([0, *(await self.spent_by(budget)).values()]) / budget.limit if budget.limit else 1.0)
            for budget in self.budgets
        ]

    async def spent_by(self, budget: Budget) -> dict[str, int]:
        """What each of its holders has spent in its present period. Of tens of thousands of keys a few at a time:
        answers go on meanwhile.
        """
        found: dict[str, int] = {}
        for count, id in enumerate(self._holders(budget)):
            if id not in found:
                found[id] = self.spent(budget, id)
            if not count % _AT_ONCE:
                await asyncio.sleep(0)
        return found

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return self._all

    @budgets.setter
    def budgets(self, budgets: tuple[Budget, ...]) -> None:
        """A check looks at those of its caller alone, however many there are."""
        self._all, self._held = budgets, {}
        for budget in budgets:
            self._held.setdefault(budget.scope, {}).setdefault(budget.id, []).append(budget)
        self._found = lru_cache(_KNOWN_CALLERS)(self._find)

    def of(self, principal: Principal) -> list[tuple[Budget, str]]:
        """Those that it is part of, each with whose it is: a key's id, a team's, "" for the platform."""
        return self._found(principal.team, principal.line or ((principal.key,) if principal.key else ()))

    def _find(self, team: str | None, line: tuple[str, ...]) -> list[tuple[Budget, str]]:
        found = [(budget, "") for each in self._held.get("platform", {}).values() for budget in each]
        if team is not None and (held := self._held.get("team")):
            found += [(budget, team) for id in ("", team) for budget in held.get(id, ())]
        if line and (held := self._held.get("key")):
            found += [(budget, line[0]) for budget in held.get("", ())]
            found += [(budget, key) for key in line for budget in held.get(key, ())]
        return found

    def _holders(self, budget: Budget) -> Iterable[str]:
        """Whose it is; where each key or team has one, those that have spent something, some more than once."""
        if budget.scope == "platform" or budget.id:
            return (budget.id,)
        spenders = self._spending.spenders(budget.scope)
        if budget.scope == "team":
            return spenders
        return ((*self.families.above(key), key)[0] for key in spenders)

    @property
    def known(self) -> bool:
        """Whether what was spent before the start is known."""
        return self._spending.known

    def spent(self, budget: Budget, id: str) -> int:
        """In its present period."""
        if not self._spending.known and not self._complained:
            self._complained = True
            logger.warning("what was spent before the start is not known yet; budgets count what is spent since")
        if budget.scope != "key":
            return self._spending.spent(budget.scope, id, budget.window)
        return self._purses.spent(id, budget.window)

    def _tell(self, budget: Budget, id: str, spent: int) -> None:
        """Once when the alert is reached, and once when nothing is left, in every period."""
        whole = spent >= budget.limit
        case = (budget.name, id, self._period(budget), whole)
        if case in self._told:
            return
        self._told = {each for each in self._told if each[2] == self._period(budget) or each[0] != budget.name}
        self._told.add(case)
        logger.warning(
            "%s: %s of %s USD %s are spent%s",
            _name(budget, id),
            dollars(spent / NANOS),
            dollars(budget.limit / NANOS),
            _PERIOD[budget.window],
            "; its requests are refused" if whole else "",
        )
        self._publish(BudgetReached(budget=budget, id=id, spent=spent, whole=whole))

    def ends_at(self, budget: Budget) -> float | None:
        """When its present period does, in Unix seconds."""
        today = datetime.fromtimestamp(self._clock.now(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match budget.window:
            case "day":
                return (today + timedelta(days=1)).timestamp()
            case "month":
                return (today.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
            case "total":
                return None

    def _period(self, budget: Budget) -> str:
        """Written once a day: once its alert is reached, every call of a budget asks for it."""
        now = self._clock.now()
        if (day := int(now // DAY)) != self._day:
            date = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
            self._day, self._periods = day, {"day": date, "month": date[:7], "total": ""}
        return self._periods[budget.window]


def _name(budget: Budget, id: str) -> str:
    whose = f" of the {budget.scope} '{id}'" if id else ""
    return f"the budget '{budget.name}'{whose}"


def _exceeded(budget: Budget, id: str) -> BudgetExceeded:
    """What the platform has is its operator's own matter."""
    if budget.scope == "platform":
        return BudgetExceeded("The platform's budget is spent: ask its operator.", code="insufficient_quota")
    amount = f"{dollars(budget.limit / NANOS)} USD {_PERIOD[budget.window]}"
    return BudgetExceeded(f"The budget of {amount} of this {budget.scope} is spent.", code="insufficient_quota")
