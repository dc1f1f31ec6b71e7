"""Walk the attempt plan until one target gives its first event.

Falling over is for failures before the first event only: two models are never spliced into one answer.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

from app.domain.errors import PlatformError, RateLimited, UpstreamError, UpstreamUnavailable
from app.domain.events import EventStream
from app.domain.usage import Usage
from app.inference.call import Attempt, Call
from app.inference.catalog import LiveCatalog
from app.inference.hedge import race
from app.inference.planning import Plan, Step
from app.inference.policy import RoutingPolicy

logger = logging.getLogger(__name__)


class WalkPlan:
    """`policy` gives what holds now. `proceed` makes one attempt."""

    def __init__(
        self,
        catalog: LiveCatalog,
        policy: Callable[[], RoutingPolicy],
        proceed: Callable[[Attempt], Awaitable[EventStream]],
        random: Random | None = None,
    ) -> None:
        self._catalog = catalog
        self._policy = policy
        self._proceed = proceed
        self._random = random or Random()  # noqa: S311 - it spreads load

    async def __call__(self, call: Call) -> EventStream:
        """Raises the last attempt's error when all failed, at once an error that is the caller's own."""
        loop = asyncio.get_running_loop()
        plan = Plan(call, self._catalog.current, loop.time, self._random)
        step = plan.first()
        while True:
            attempt = self._at_once(call, step) or await self._admitted(call, plan, step)
            try:
                if attempt.policy.hedge_after is None:
                    stream = await self._try(attempt)
                else:
                    attempt, stream = await self._hedged(plan, attempt)
            except PlatformError as error:
                following = plan.after(error)
                if following is None or _too_late(call, following):
                    raise
                step = following
                logger.info("call %s: %s; on to '%s'", call.id, error, step.target.integration)
            else:
                call.at_end.append(partial(self._over, attempt))
                return stream
            if step.pause:
                await asyncio.sleep(step.pause)

    def _at_once(self, call: Call, step: Step) -> Attempt | None:
        """As `_admitted`, where nobody has to wait."""
        vitals = step.target.vitals
        if step.pause or not vitals.breaker.closed or not vitals.slots.take_free():
            return None
        return self._begun(Attempt(call, step.target, step.entry.name, step.entry.policy))

    async def _admitted(self, call: Call, plan: Plan, step: Step) -> Attempt:
        """An attempt whose target has a place for it, and is still to be asked then."""
        following: Step | None = step
        while following is not None:
            step = following
            try:
                waited = await self._place(call, step)
            except (RateLimited, UpstreamUnavailable) as refusal:
                following = plan.instead(refusal)
                if following is None:
                    raise
                continue
            return self._begun(Attempt(call, step.target, step.entry.name, step.entry.policy, waited=waited))
        raise AssertionError

    async def _place(self, call: Call, step: Step) -> float:
        vitals, loop = step.target.vitals, asyncio.get_running_loop()
        patience = self._policy().queue_wait
        if call.deadline is not None:
            patience = min(patience, call.deadline - loop.time())
        waited = await vitals.slots.take(call.principal.id, call.principal.rank, patience, call.queued)
        if seconds := vitals.breaker.closed_in(loop.time(), step.last):
            vitals.slots.give_back(None)
            name = step.target.integration
            raise UpstreamUnavailable(f"'{name}' failed too often.", provider=name, retry_after=seconds)
        return waited

    def _begun(self, attempt: Attempt) -> Attempt:
        attempt.call.attempts.append(attempt)
        attempt.probe = attempt.target.vitals.begin(asyncio.get_running_loop().time())
        attempt.began = time.perf_counter()
        return attempt

    async def _try(self, attempt: Attempt) -> EventStream:
        try:
            stream = await self._proceed(attempt)
        except PlatformError as error:
            self._failed(attempt, error)
            raise
        except Exception as error:
            name = attempt.target.integration
            logger.exception("call %s: defect in integration '%s'", attempt.call.id, name)
            failure = UpstreamError(f"The integration '{name}' failed unexpectedly.", provider=name)
            self._failed(attempt, failure)
            raise failure from error
        except BaseException as error:
            self._over(attempt, error, None)
            raise
        finally:
            attempt.seconds = time.perf_counter() - attempt.began
        attempt.target.vitals.answered(attempt.seconds, asyncio.get_running_loop().time(), attempt.probe)
        attempt.probe = False
        return stream

    async def _hedged(self, plan: Plan, first: Attempt) -> tuple[Attempt, EventStream]:
        """The first to answer of two, the second being asked only after a silence."""
        assert first.policy.hedge_after is not None
        call = first.call

        def second() -> Attempt | None:
            step = plan.hedge()
            if step is None or not step.target.vitals.slots.take_free():
                return None
            return self._begun(Attempt(call, step.target, step.entry.name, step.entry.policy, hedge=True))

        def lost(attempt: Attempt) -> None:
            self._over(attempt, asyncio.CancelledError(), None)

        winner, stream = await race(first, first.policy.hedge_after, second, self._try, lost)
        call.attempts.remove(winner)
        call.attempts.append(winner)  # the last one is the one that answers
        for attempt in call.attempts[:-1]:
            attempt.lost = attempt.failure is None
        return winner, stream

    def _failed(self, attempt: Attempt, error: PlatformError) -> None:
        attempt.failure = error
        self._over(attempt, error, None)

    def _over(self, attempt: Attempt, error: BaseException | None, usage: Usage | None) -> None:
        """The attempt holds its target no longer."""
        vitals, now = attempt.target.vitals, asyncio.get_running_loop().time()
        vitals.slots.give_back(time.perf_counter() - attempt.began)
        tokens = usage.total_tokens if usage is not None else 0
        if vitals.ended(error, now, attempt.probe, tokens):
            target = f"{attempt.target.integration}/{attempt.target.model}"
            seconds = vitals.breaker.closed_in(now)
            logger.warning("%s failed too often and is left alone for %.0f s; last: %s", target, seconds, error)


def _too_late(call: Call, step: Step) -> bool:
    """Whether the time of the call is over before `step` could be taken."""
    left = step.entry.policy.timeouts.total - (time.perf_counter() - call.started)
    if call.deadline is not None:
        left = min(left, call.deadline - asyncio.get_running_loop().time())
    return step.pause >= left
