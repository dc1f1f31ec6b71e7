"""Walk the attempt plan until one target gives its first event.

Falling over is for failures before the first event only: two models are never spliced into one answer.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

import msgspec

from app.domain.errors import (
    PlatformError,
    RateLimited,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.domain.events import EventStream
from app.domain.usage import Usage
from app.inference.call import Attempt, Call
from app.inference.catalog import LiveCatalog
from app.inference.hedge import race
from app.inference.planning import Hold, Plan, Step
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
        self._ending: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call) -> EventStream:
        """Raises the last attempt's error when all failed, at once an error that is the caller's own."""
        plan = Plan(call, self._catalog.current, asyncio.get_running_loop().time, self._random)
        first = plan.first()
        step = first if isinstance(first, Step) else await self._held(call, plan, first)
        while True:
            attempt = self._at_once(call, step) or await self._admitted(call, plan, step)
            try:
                if attempt.policy.hedge_after is None or not call.stream:
                    stream = await self._try(attempt)
                else:
                    attempt, stream = await self._hedged(plan, attempt)
            except PlatformError as error:
                failed = next((each for each in call.attempts if each.failure is error), attempt)
                following = plan.after(error, failed.target)
                if following is None:
                    raise plan.last_word(error, failed.target) from None
                step = following if isinstance(following, Step) else await self._held(call, plan, following)
                if step.pause >= _left(call, step):
                    call.stopped = _whose_time(call, step)
                    raise plan.last_word(error) from None
                logger.info("call %s: %s; on to '%s'", call.id, error, step.target.integration)
            else:
                call.at_end.insert(0, partial(self._over, attempt))  # whatever else may fail there
                return stream
            if step.pause:
                await asyncio.sleep(step.pause)

    async def _held(self, call: Call, plan: Plan, hold: Hold) -> Step:
        """A step that can be made, once there is one. Raises what the caller gets when there will be none."""
        now = asyncio.get_running_loop().time
        began = now()
        found: Step | Hold = hold
        while isinstance(found, Hold):
            if found.seconds >= _left(call, found):
                call.stopped = _whose_time(call, found)
                raise plan.last_word(found.error)
            await _news(found)
            found = plan.resume(found)
        return msgspec.structs.replace(found, held=now() - began)

    def _at_once(self, call: Call, step: Step) -> Attempt | None:
        """As `_admitted`, where nobody has to wait."""
        vitals = step.target.vitals
        if step.pause or not vitals.breaker.closed or not vitals.slots.take_free():
            return None
        return self._begun(call, step)

    async def _admitted(self, call: Call, plan: Plan, step: Step) -> Attempt:
        """An attempt whose target has a place for it, and is still to be asked then."""
        while True:
            try:
                waited = await self._place(call, step)
            except (RateLimited, UpstreamError) as refusal:
                following = plan.instead(refusal)
                if following is None:
                    raise
                step = following if isinstance(following, Step) else await self._held(call, plan, following)
            else:
                return self._begun(call, step, waited)

    async def _place(self, call: Call, step: Step) -> float:
        target, vitals = step.target, step.target.vitals
        patience = min(self._policy().queue_wait, _left(call, step))
        waited = await vitals.slots.take(call.principal.id, call.principal.rank, patience, call.queued)
        now = asyncio.get_running_loop().time()
        out = vitals.excluded(now, target.rpm, target.tpm, last=step.last)
        if out is not None and not out.soft and (waited or not out.rate):
            vitals.slots.give_back(None)
            kind = UpstreamRateLimited if out.rate else UpstreamUnavailable
            name = target.integration
            raise kind(f"'{name}' {out.reason}.", provider=name, retry_after=out.seconds)
        return waited

    def _begun(self, call: Call, step: Step, waited: float = 0.0, *, hedge: bool = False) -> Attempt:
        waited += step.held
        attempt = Attempt(call, step.target, step.entry.name, step.entry.policy, waited=waited, hedge=hedge)
        call.attempts.append(attempt)
        attempt.since = asyncio.get_running_loop().time()
        attempt.probe = attempt.target.vitals.begin(attempt.since)
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
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling():
                name = attempt.target.integration  # nobody cancelled this: it is the integration's own
                failure = UpstreamError(f"The integration '{name}' gave up.", provider=name)
                self._failed(attempt, failure)
                raise failure from error
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
            return self._begun(call, step, hedge=True)

        def lost(attempt: Attempt) -> None:
            self._over(attempt, asyncio.CancelledError(), None)

        winner, stream = await race(first, first.policy.hedge_after, second, self._try, lost, self._ending)
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
        attempt.ended = time.perf_counter()
        vitals.slots.give_back(attempt.ended - attempt.began)
        tokens = usage.total_tokens if usage is not None else 0
        again = any(
            each.failure is not None and each is not attempt and each.target.vitals is vitals
            for each in attempt.call.attempts
        )
        if vitals.ended(error, now, attempt.probe, tokens, again, attempt.since):
            target = f"{attempt.target.integration}/{attempt.target.model}"
            seconds = vitals.breaker.closed_in(now)
            logger.warning("%s failed too often and is left alone for %.0f s; last: %s", target, seconds, error)


async def _news(hold: Hold) -> None:
    """Until a probe of the targets is over, or it is time to look again."""
    over = asyncio.Event()
    watchers = [target.vitals.breaker.watchers for target in hold.targets]
    for each in watchers:
        each.add(over.set)
    try:
        async with asyncio.timeout(hold.seconds):
            await over.wait()
    except TimeoutError:
        pass
    finally:
        for each in watchers:
            each.discard(over.set)


def _left(call: Call, step: Step | Hold) -> float:
    """Seconds that the call may still take."""
    left = step.entry.policy.timeouts.total - (time.perf_counter() - call.started)
    if call.deadline is not None:
        left = min(left, call.deadline - asyncio.get_running_loop().time())
    return left


def _whose_time(call: Call, step: Step | Hold) -> str:
    """Which limit leaves too little for `step`."""
    total = step.entry.policy.timeouts.total
    left = total - (time.perf_counter() - call.started)
    if call.deadline is not None and call.deadline - asyncio.get_running_loop().time() < left:
        return "The caller's deadline would have passed."
    return f"The limit of {total:g} s for the whole request would have passed."
