"""Limits that all processes of a platform count together, in Redis; without it, each has its share."""

import secrets
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from app.accounts.limits.leases import LEASE_SECONDS, Leases, Pairs
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.refusals import over
from app.accounts.limits.scripts import RENEW, RESERVE, SETTLE
from app.accounts.limits.settling import UNKNOWN, Change, Settling
from app.accounts.limits.window import STEPS
from app.core.clock import Clock, SystemClock
from app.domain.errors import RateLimited, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.domain.limits import UNITS, Estimate, Rate, Reservation, Standing, used
from app.domain.ports import ScriptRunner
from app.domain.usage import Usage


class _Part(NamedTuple):
    """What was taken of one rate, and in which step of its window."""

    rate: Rate
    key: str
    amount: int
    step: int


class SharedLimits:
    """`runner` is where they are counted: None while there is nothing of the kind. `local` always counts what this
    process lets in, so that its share holds at once when the runner does not answer, and whole limits hold when it
    has forgotten.
    """

    def __init__(self, local: MemoryLimits, clock: Clock | None = None) -> None:
        self.runner: ScriptRunner | None = None
        self._local = local
        self._process = secrets.token_hex(6)
        self._calls = count(1)
        self._leases = Leases(self._renew, clock or SystemClock())
        self._settling = Settling(self._tell)

    async def reserve(self, holder: str, rates: Sequence[Rate], estimate: Estimate) -> Reservation:
        """As MemoryLimits does. Raises RateLimited."""
        runner = self.runner
        if runner is None:
            return self._local.reserve(holder, rates, estimate)
        call = f"{self._process}:{next(self._calls)}"
        keys = [f"limits:{holder}:{rate.unit}:{rate.window:g}" for rate in rates]
        try:
            worst, wait, *told = await self._ask(runner, call, rates, keys, estimate)
        except UpstreamError:
            return self._local.reserve(holder, rates, estimate)
        standings = _standings(rates, told)
        if worst:
            raise over(rates[worst - 1], wait / 1000, standings, estimate)
        parts = [
            _Part(rate, key, estimate.of(rate.unit), step)
            for rate, key, step in zip(rates, keys, told[::3], strict=True)
        ]
        try:
            local = self._local.note(holder, rates, estimate)
        except RateLimited:
            self.settle(call, parts, None)
            raise
        for part in parts:
            if part.rate.unit == "concurrent":
                self._leases.hold(part.key, call)
        return _Taken(self, call, parts, standings, local)

    def settle(self, call: str, parts: Sequence[_Part], usage: Usage | None) -> None:
        """Nobody waits for it. What can't be told now is told later."""
        spent = used(usage)
        for rate, key, amount, step in parts:
            if rate.unit == "concurrent":
                self._leases.let_go(key, call)
                self._settling.add(Change(key, call, "", 0))
            elif difference := spent[UNITS.index(rate.unit)] - amount:
                self._settling.add(Change(key, call, str(step), difference))

    async def close(self) -> None:
        """Returns when what ended is settled."""
        await self._leases.close()
        await self._settling.close()

    async def _ask(
        self, runner: ScriptRunner, call: str, rates: Sequence[Rate], keys: Sequence[str], estimate: Estimate
    ) -> list[int]:
        """What RESERVE returns. If nobody hears that, what it took, or will yet take, is given back."""
        wanted: list[str | float] = [call, LEASE_SECONDS, STEPS]
        for rate, key in zip(rates, keys, strict=True):
            if rate.unit == "concurrent":
                await self._settling.places(key)
            wanted += (rate.unit, rate.limit, rate.window, estimate.of(rate.unit))
        try:
            answer: list[int] = await runner.run_script(RESERVE, [*keys, _took(call)], wanted)
        except BaseException as error:  # above all the caller who leaves
            if isinstance(error, UpstreamTimeout) or not isinstance(error, UpstreamError):
                for rate, key in zip(rates, keys, strict=True):
                    if rate.unit != "requests":
                        self._settling.add(Change(key, call, UNKNOWN, -estimate.of(rate.unit)))
            raise
        return answer

    async def _tell(self, number: int, changes: Sequence[Change]) -> None:
        keys = [f"limits:told:{self._process}", *(change.key for change in changes)]
        keys += [_took(change.call) for change in changes if change.step == UNKNOWN]
        words = [word for change in changes for word in change[1:]]
        await self._there().run_script(SETTLE, keys, [number, *words])

    async def _renew(self, held: Pairs) -> None:
        """What ends meanwhile may be settled first, and would then be there again: it is settled anew."""
        calls = [call for _, call in held]
        try:
            await self._there().run_script(RENEW, [key for key, _ in held], [LEASE_SECONDS, *calls])
        finally:
            for key, call in held:
                if not self._leases.holds(key, call):
                    self._settling.add(Change(key, call, "", 0))

    def _there(self) -> ScriptRunner:
        if self.runner is None:
            raise UpstreamUnavailable("Nobody counts for all processes now.")
        return self.runner


def _took(call: str) -> str:
    return f"limits:took:{call}"


def _standings(rates: Sequence[Rate], told: Sequence[int]) -> list[Standing]:
    return [
        Standing(rate=rate, remaining=max(0, rate.limit - counted), reset=reset / 1000)
        for rate, counted, reset in zip(rates, told[1::3], told[2::3], strict=True)
    ]


class _Taken:
    """Satisfies Reservation."""

    __slots__ = ("_call", "_limits", "_local", "_parts", "_settled", "standings")

    def __init__(
        self,
        limits: SharedLimits,
        call: str,
        parts: Sequence[_Part],
        standings: Sequence[Standing],
        local: Reservation,
    ) -> None:
        self.standings = standings
        self._limits = limits
        self._call = call
        self._parts = parts
        self._local = local
        self._settled = False

    def settle(self, usage: Usage | None) -> None:
        if not self._settled:
            self._settled = True
            self._local.settle(usage)
            self._limits.settle(self._call, self._parts, usage)
