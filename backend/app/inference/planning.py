"""Which target is asked next, given what has happened so far. No I/O, no waiting: a plan is asked and answers.

    plan.first()        the best target of the model that was asked for
    plan.after(error)   where to go on when that failed before its first event; None when the error is the answer

Three upstream requests serve a call, at most. A further try at a model's own targets costs its retry budget; a
fallback is another model, with a budget of its own.
"""

from collections.abc import Callable, Iterator
from random import Random

import msgspec

from app.core.backoff import Backoff
from app.domain.errors import (
    ContentRefused,
    ContextLengthExceeded,
    ModelNotFound,
    PayloadTooLarge,
    PlatformError,
    RateLimited,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.inference.call import Call, Considered, Target
from app.inference.candidates import Candidates
from app.inference.catalog import Catalog
from app.inference.entry import ModelEntry
from app.inference.policy import MAX_ATTEMPTS, Cause

BACKOFF = Backoff(base=0.1, factor=2.0, maximum=2.0)
LONGEST_PAUSE = 5.0
"""Seconds that a call waits for a target that asked for a pause; a longer one is told to the caller instead."""


class Step(msgspec.Struct, frozen=True):
    """Ask `target`, in `pause` seconds. `entry` is the model that led there. `last`: though it is shut out."""

    entry: ModelEntry
    target: Target
    pause: float = 0.0
    last: bool = False


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

    def first(self) -> Step:
        """Raises what stands in the way when no target can be asked."""
        self._entry.budget.earn()
        self._entry.hedges.earn()
        step = self._next()
        if step is None:
            refusal = self._candidates.refusal()
            step = self._fall_back(refusal) or self._last_resort()
            if step is None:
                raise refusal
        self._attempts = 1
        return step

    def after(self, error: PlatformError, failed: Target) -> Step | None:
        """Where to go on after `error` of `failed`; None when it is what the caller is to get."""
        if self._attempts >= MAX_ATTEMPTS:
            return None
        if error.rotated:
            step: Step | None = Step(self._entry, failed)
        else:
            step = self._at_its_own(error, failed) or self._fall_back(error)
        self._attempts += step is not None
        return step

    def _at_its_own(self, error: PlatformError, failed: Target) -> Step | None:
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

    def instead(self, refusal: PlatformError) -> Step | None:
        """Another target for one that had no place free: nothing was asked, so nothing is counted."""
        full = self._candidates.current
        self._call.considered.append(
            Considered(self._entry.name, full.integration, full.model, excluded=refusal.message)
        )
        return self._next() or self._fall_back(refusal)

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

    def _again(self, error: PlatformError, failed: Target) -> Step | None:
        policy = self._entry.policy
        allowed = policy.retries_by_cause.get(_cause(error), policy.retries)
        reserved = sum(1 for _ in self._fallbacks(error))
        if self._own_retries >= allowed or self._attempts + reserved >= MAX_ATTEMPTS:
            return None
        if isinstance(error, UpstreamAuthFailed):
            self._candidates.drop(failed)
        step = self._next() or (None if reserved else self._last_resort()) or self._same_again()
        if step is None or not self._entry.budget.spend():
            return None
        self._own_retries += 1
        return step

    def _next(self) -> Step | None:
        target = self._candidates.next(self._now())
        return Step(self._entry, target) if target is not None else None

    def _last_resort(self) -> Step | None:
        target = self._candidates.last_resort(self._now())
        return Step(self._entry, target, last=True) if target is not None else None

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
                entry.budget.earn()
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


def _is_the_targets(error: PlatformError) -> bool:
    """Whether a refusal is about what the target is or has, and not about what was asked."""
    return isinstance(error, ModelNotFound | UnsupportedFeature | PayloadTooLarge) and error.provider is not None


def _cause(error: PlatformError) -> Cause:
    if isinstance(error, UpstreamTimeout):
        return "timeout"
    if isinstance(error, UpstreamRateLimited):
        return "rate_limit"
    return "auth" if isinstance(error, UpstreamAuthFailed) else "server_error"
