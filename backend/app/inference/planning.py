"""Which target is asked next, given what has happened so far. No I/O, no waiting: a plan is asked and answers.

    plan.first()        the best target of the model that was asked for
    plan.after(error)   where to go on when that failed before its first event; None when the error is the answer
    plan.resume(hold)   where to go after a wait for one of them to be well again

Three upstream requests serve a call, at most. A further try at a model's own targets costs its retry budget; a
fallback is another model, with a budget of its own.
"""

import copy
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from app.core.backoff import Backoff
from app.domain.errors import (
    ConnectionRefused,
    ContentRefused,
    ContextLengthExceeded,
    ModelNotFound,
    PayloadTooLarge,
    PlatformError,
    RateLimited,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.inference.call import Call, Considered, Target
from app.inference.candidates import Candidates
from app.inference.catalog import Catalog
from app.inference.entry import ModelEntry
from app.inference.policy import MAX_ATTEMPTS, Cause

BACKOFF = Backoff(base=0.1, factor=2.0, maximum=2.0)
LONGEST_PAUSE = 5.0
"""Seconds that a call waits for a target that asked for a pause; a longer one is told to the caller instead."""

NOBODY_LEFT = "No other target could be asked."
NO_USE = "Another try would not have mended it."


class Step(msgspec.Struct, frozen=True):
    """Ask `target`, in `pause` seconds. `entry` is the model that led there. `last`: though it is shut out.
    `held`: seconds that were waited for it to be well again.
    """

    entry: ModelEntry
    target: Target
    pause: float = 0.0
    last: bool = False
    held: float = 0.0


class Hold(msgspec.Struct, frozen=True):
    """Nobody can be asked now, but one of `targets` may be soon: look again in `seconds`, or once a probe of
    theirs is over. `error` is what the caller gets otherwise.
    """

    entry: ModelEntry
    targets: list[Target]
    seconds: float
    error: PlatformError


class Plan:
    def __init__(self, call: Call, catalog: Catalog, now: Callable[[], float], random: Random) -> None:
        self._call = call
        self._catalog = catalog
        self._now = now
        self._random = random
        self._asked_for = self._entry = entry = catalog.entry(call.model)
        call.meant, call.policy = entry.meant_by(call.model), entry.policy
        self._candidates = self._of(self._entry)
        self._visited = {self._entry.name}
        self._attempts = 0
        self._own_retries = 0
        self._hold_until: float | None = None

    def first(self) -> Step | Hold:
        """Raises what stands in the way when no target can be asked."""
        now = self._now()
        self._entry.budget.earn(now)
        self._entry.hedges.earn(now)
        found: Step | Hold | None = self._next()
        if found is None:
            refusal = self._candidates.refusal(now)
            found = self._fall_back(refusal) or self._last_resort() or self._hold(refusal)
            if found is None:
                raise refusal
        return self._counted(found)

    def after(self, error: PlatformError, failed: Target) -> Step | Hold | None:
        """Where to go on after `error` of `failed`; None when it is what the caller is to get."""
        if self._attempts >= MAX_ATTEMPTS:
            self._call.stopped = f"A request causes {MAX_ATTEMPTS} upstream requests at most."
            return None
        if error.rotated:
            return self._counted(Step(self._entry, failed))
        self._call.stopped = None
        reserved = any(True for _ in self._fallbacks(error))
        found = self._at_its_own(error, failed) or self._fall_back(error)
        if found is None and reserved and error.retryable:  # none of them could be asked
            found = self._again(error, failed)
        if found is None:
            self._call.stopped = self._call.stopped or (NOBODY_LEFT if error.retryable else NO_USE)
            return None
        self._call.stopped = None
        return self._counted(found)

    def resume(self, hold: Hold) -> Step | Hold:
        """Raises `hold.error` when there is nothing left to wait for."""
        found = self._last_resort(again=True) or self._hold(hold.error)
        if found is None:
            self._call.stopped = NOBODY_LEFT
            raise self.last_word(hold.error)
        return self._counted(found)

    def last_word(self, error: PlatformError, failed: Target | None = None) -> PlatformError:
        """`error` as the caller gets it: it tells when to come again, where all targets are shut out, and of a
        model that `failed` lacks the name that was asked for.
        """
        if isinstance(error, ModelNotFound) and failed is not None and failed.model not in self._call.model:
            return ModelNotFound(
                f"The model '{self._call.model[:200]}' does not exist: '{failed.integration}', to which it leads, "
                "does not have it. GET /v1/models lists the models that do.",
                code="model_not_found",
                param="model",
                provider=failed.integration,
            )
        seconds = self._candidates.back_in(self._now())
        if seconds is None or error.retry_after is not None or not isinstance(error, UpstreamError):
            return error
        told = copy.copy(error)
        told.retry_after = seconds
        return told

    def _counted(self, found: Step | Hold) -> Step | Hold:
        self._attempts += isinstance(found, Step)
        return found

    def _at_its_own(self, error: PlatformError, failed: Target) -> Step | Hold | None:
        """A further try at one of the same model's targets, if that may help."""
        if isinstance(error, ContextLengthExceeded):
            larger = self._candidates.next_larger(failed, self._now())
            return Step(self._entry, larger) if larger is not None else None
        if error.retryable:
            return self._again(error, failed)
        if not _is_the_targets(error):
            return None
        # It lacks the model, or can't do this: it was configured wrongly, and the next one may be right.
        self._candidates.drop(failed)
        return self._next()

    def instead(self, refusal: PlatformError) -> Step | Hold | None:
        """Another target for one that had no place free, or was shut out meanwhile: nothing was asked, so nothing
        is counted.
        """
        full = self._candidates.current
        self._call.considered.append(
            Considered(self._entry.name, full.integration, full.model, excluded=refusal.message)
        )
        self._attempts -= 1
        found: Step | Hold | None = self._next() or self._fall_back(refusal)
        if found is None and isinstance(refusal, UpstreamUnavailable):
            found = self._last_resort() or self._hold(refusal)
        return None if found is None else self._counted(found)

    def hedge(self) -> Step | None:
        """A second target to ask beside the current one, which is silent; None when that would be too much, or
        there is none that could be asked at once.
        """
        if self._attempts >= MAX_ATTEMPTS or not self._candidates.free(self._now()):
            return None
        if not self._entry.hedges.spend():
            return None
        self._attempts += 1
        return self._next()

    def _again(self, error: PlatformError, failed: Target) -> Step | Hold | None:
        policy = self._entry.policy
        allowed = policy.retries_by_cause.get(_cause(error), policy.retries)
        reserved = sum(1 for _ in self._fallbacks(error))
        if self._own_retries >= allowed:
            self._call.stopped = f"'{self._entry.name}' has 'retries: {allowed}' for such a failure."
        if self._own_retries >= allowed or self._attempts + reserved >= MAX_ATTEMPTS:
            return None
        if isinstance(error, UpstreamAuthFailed):
            self._candidates.drop(failed)
        found = self._another(error, bool(reserved))
        if found is None:
            return None
        if not (_cost_nothing(error) or self._entry.budget.spend()):
            share = self._entry.budget.share
            self._call.stopped = (
                f"The retry budget of '{self._entry.name}', {share:g} of its requests, was used up."
            )
            return None
        self._own_retries += 1
        return found

    def _another(self, error: PlatformError, reserved: bool) -> Step | Hold | None:
        """While a fallback is there, nobody is asked who is shut out."""
        if reserved:
            return self._next() or self._same_again()
        return self._next() or self._last_resort() or self._same_again() or self._hold(error)

    def _next(self) -> Step | None:
        target = self._candidates.next(self._now())
        return Step(self._entry, target) if target is not None else None

    def _last_resort(self, again: bool = False) -> Step | None:
        target = self._candidates.last_resort(self._now(), again)
        return Step(self._entry, target, last=True) if target is not None else None

    def _hold(self, error: PlatformError) -> Hold | None:
        now = self._now()
        self._hold_until = self._hold_until or now + LONGEST_PAUSE
        hope = self._candidates.hope(now)
        return Hold(self._entry, *hope, error) if hope is not None and now < self._hold_until else None

    def _same_again(self) -> Step | None:
        found = self._candidates.again(self._now(), LONGEST_PAUSE)
        return Step(self._entry, found[0], max(found[1], self._jitter())) if found is not None else None

    def _jitter(self) -> float:
        return self._random.uniform(0.0, BACKOFF.ceiling(self._own_retries))

    def _fall_back(self, error: PlatformError) -> Step | None:
        """The first fallback that has a target to ask."""
        for name in self._fallbacks(error):
            entry = self._found(name)
            self._visited.add(name)
            if entry is None:
                continue
            candidates = self._of(entry)
            target = candidates.next(self._now())
            if target is not None:
                self._entry, self._candidates, self._own_retries = entry, candidates, 0
                entry.budget.earn(self._now())
                return Step(entry, target)
        return None

    def _fallbacks(self, error: PlatformError) -> Iterator[str]:
        """Those of the model that was asked for: a fallback's own are not followed, so nothing goes in circles."""
        policy = self._asked_for.policy
        if isinstance(error, ContextLengthExceeded):
            names = policy.context_fallbacks or policy.fallbacks
        elif isinstance(error, ContentRefused):
            names = policy.content_fallbacks or policy.fallbacks
        elif error.retryable or _is_the_targets(error) or isinstance(error, RateLimited):  # no place was free
            names = policy.fallbacks
        else:
            return
        yield from (name for name in names if name not in self._visited)

    def _found(self, name: str) -> ModelEntry | None:
        try:
            return self._catalog.entry(name)
        except ModelNotFound:
            self._call.considered.append(Considered(name, "", "", excluded="no such model"))
            return None

    def _of(self, entry: ModelEntry) -> Candidates:
        return Candidates(entry, self._call, self._now(), self._random)


def _cost_nothing(error: PlatformError) -> bool:
    """Whether no upstream had any work of it: nothing was sent."""
    return isinstance(error, ConnectionRefused) and not error.sent


def _is_the_targets(error: PlatformError) -> bool:
    """Whether a refusal is about what the target is or has, and not about what was asked."""
    return isinstance(error, ModelNotFound | UnsupportedFeature | PayloadTooLarge) and error.provider is not None


def _cause(error: PlatformError) -> Cause:
    if isinstance(error, UpstreamTimeout):
        return "timeout"
    if isinstance(error, UpstreamRateLimited):
        return "rate_limit"
    return "auth" if isinstance(error, UpstreamAuthFailed) else "server_error"
