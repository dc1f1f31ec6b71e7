"""The targets of one model for one call: who can be asked, in which order, and why the others can't."""

from collections.abc import Iterator
from random import Random

from app.domain.errors import (
    ContextLengthExceeded,
    PlatformError,
    UnsupportedFeature,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.inference.affinity import prefix_of, session_of
from app.inference.call import Call, Considered, Target
from app.inference.entry import ModelEntry
from app.inference.needs import Misfit, misfit
from app.inference.selection import Asking, Scored, ordered, over_bound, set_back
from app.inference.vitals import Excluded

_PROMPT_FIELDS = {"chat": "messages", "text_completion": "prompt", "embeddings": "input", "rerank": "documents"}
_AWAY = Excluded("not available now", 5.0)
_DRAINED = Excluded("has a weight of 0", 5.0, soft=True)


class Candidates:
    """What is found is noted on the call, where there was a choice or somebody had to be left out."""

    def __init__(self, entry: ModelEntry, call: Call, now: float, random: Random) -> None:
        self._entry = entry
        self._call = call
        self._now = now
        self._out: list[tuple[Target, Excluded | Misfit]] = []
        self._given: list[Target] = []
        able = [target for target in entry.targets if self._may(target, now)] or self._softly_excluded()
        if len(entry.targets) == 1 and able:  # most models have one target, and then there is nothing to compare
            self._left = able
            return
        asking = Asking(now, random.random, lambda: session_of(call), lambda: prefix_of(call))
        self._left = self._noted(ordered(able, entry.policy.strategy, asking) if able else [])

    @property
    def current(self) -> Target:
        """The one that was given out last."""
        return self._given[-1]

    def next(self, now: float) -> Target | None:
        """The best of those not given out yet; one that has a place free comes before one where it must be waited
        for, and one that may not be asked any more is passed over.
        """
        if not self._given and len(self._left) == 1:
            self._given.append(self._left.pop())
            return self.current
        self._left = [target for target in self._left if self._still_may(target, now)]
        if not self._left:
            return None
        free = next((target for target in self._left if target.vitals.slots.open), self._left[0])
        self._left.remove(free)
        self._given.append(free)
        return free

    def free(self, now: float) -> bool:
        """Whether there is one more that could be asked at once."""
        return any(target.vitals.slots.open and self._still_may(target, now) for target in self._left)

    def last_resort(self, now: float, again: bool = False) -> Target | None:
        """One that is shut out for having failed, for when nobody else is left: that which failed longest ago, and
        not too lately. `again`: this call has waited meanwhile, and may go where it has been.
        """
        able = [
            target
            for target in self._shut_out()
            if (again or target not in self._given)
            and target.vitals.excluded(now, target.rpm, target.tpm, last=True) is None
        ]
        if not able:
            return None
        found = min(able, key=lambda each: (not each.vitals.breaker.closed, each.vitals.breaker.failed_at))
        if found in self._given:
            self._given.remove(found)
        self._given.append(found)
        return found

    def hope(self, now: float) -> tuple[list[Target], float] | None:
        """Those shut out that may be well soon, and the seconds until there is something new to look at."""
        hopes = [(target, target.vitals.hope_in(now, target.rpm, target.tpm)) for target in self._shut_out()]
        worth = [(target, seconds) for target, seconds in hopes if seconds is not None]
        if not worth:
            return None
        return [target for target, _ in worth], min(seconds for _, seconds in worth)

    def again(self, now: float, patience: float) -> tuple[Target, float] | None:
        """Of those given out already the one whose turn is longest ago, and the seconds for which it wants to be
        left alone; None when there is none that may be asked within `patience` seconds.
        """
        for target in self._given:
            out = target.vitals.excluded(now, target.rpm, target.tpm)
            pause = 0.0 if out is None or out.soft else out.seconds
            if pause <= patience and (out is None or out.rate):
                self._given.remove(target)
                self._given.append(target)
                return target, pause
        return None

    def drop(self, target: Target) -> None:
        """It is of no use for this call, however often it is asked."""
        if target in self._given:
            self._given.remove(target)

    def next_larger(self, than: Target, now: float) -> Target | None:
        """The best whose context is known to be larger than that of `than`."""
        size = than.context_window or 0
        self._left = [target for target in self._left if (target.context_window or 0) > size]
        return self.next(now)

    def back_in(self, now: float) -> float | None:
        """Seconds after which it is worth coming again, where none of the model's targets can be asked now."""
        waits = [_back_in(target, now) for target in self._entry.targets]
        known = [seconds for seconds in waits if seconds is not None]
        return min(known) if len(known) == len(waits) else None

    def refusal(self, now: float) -> PlatformError:
        """Why none can be asked."""
        name = self._entry.name
        reasons = [reason for _, reason in self._out]
        waits = [each for each in reasons if isinstance(each, Excluded)]
        if not waits:
            return self._misfit([each for each in reasons if isinstance(each, Misfit)])
        seconds = min(
            out.seconds if out.soft else _back_in(target, now) or 0.0
            for target, out in self._out
            if isinstance(out, Excluded)
        )
        who = ", ".join(sorted({target.integration for target, _ in self._out}))
        if all(reason is _AWAY for reason in waits):
            message = f"The model '{name}' is known, but what serves it ({who}) is not available now."
            return UpstreamUnavailable(message, provider=who, retry_after=seconds)
        causes = "; ".join(sorted({f"'{target.integration}' {reason.reason}" for target, reason in self._out}))
        message = f"The model '{name}' has no target that may be asked now: {causes}."
        kind = UpstreamRateLimited if all(each.rate for each in waits) else UpstreamUnavailable
        return kind(message, provider=who, retry_after=seconds)

    def _misfit(self, misfits: list[Misfit]) -> PlatformError:
        if all(each.too_long for each in misfits):
            return self._too_long()
        wants = "; ".join(sorted({each.reason for each in misfits}))
        return UnsupportedFeature(f"No target of the model '{self._entry.name}' can do this: {wants}.")

    def _too_long(self) -> ContextLengthExceeded:
        largest = max((target for target, _ in self._out), key=lambda target: target.context_window or 0)
        assert self._call.prompt is not None
        return ContextLengthExceeded(
            f"The prompt has {self._call.prompt.told(largest.model)} tokens and the largest context of the model "
            f"'{self._entry.name}' is {largest.context_window}. Shorten it.",
            code="context_length_exceeded",
            param=_PROMPT_FIELDS[self._call.operation],
        )

    def _shut_out(self) -> list[Target]:
        """Those asked already, who may be shut out by now, and those who were from the start."""
        out = [target for target, why in self._out if isinstance(why, Excluded) and why is not _AWAY]
        return [*self._given, *(target for target in out if target not in self._given)]

    def _may(self, target: Target, now: float) -> bool:
        out: Excluded | Misfit | None = misfit(target, self._call, self._entry.policy.strategy)
        if out is None:
            out = target.vitals.excluded(now, target.rpm, target.tpm) if target.serving else _AWAY
            if out is None and target.weight == 0 and len(self._entry.targets) > 1:
                out = _DRAINED
        if out is not None:
            self._out.append((target, out))
        return out is None

    def _still_may(self, target: Target, now: float) -> bool:
        """Things change between the making of a plan and its later steps."""
        out = target.vitals.excluded(now, target.rpm, target.tpm)
        if out is None or out.soft:
            return True
        self._out.append((target, out))
        return False

    def _softly_excluded(self) -> list[Target]:
        """Those that nobody forbade to ask, for want of others."""
        found = [target for target, out in self._out if isinstance(out, Excluded) and out.soft]
        self._out = [each for each in self._out if each[0] not in found]
        return found

    def _noted(self, scored: list[Scored]) -> list[Target]:
        self._call.considered += self._considered(scored)
        return [target for _, target in scored]

    def _considered(self, scored: list[Scored]) -> Iterator[Considered]:
        name = self._entry.name
        full = over_bound([target for _, target in scored], self._entry.policy.strategy, self._now)
        for score, target in scored:
            note = set_back(target, self._now, full)
            yield Considered(name, target.integration, target.model, score, None, note, target.priority)
        for target, out in self._out:
            yield Considered(name, target.integration, target.model, None, out.reason, None, target.priority)


def _back_in(target: Target, now: float) -> float | None:
    return target.vitals.back_in(now, target.rpm, target.tpm) if target.serving else _AWAY.seconds
