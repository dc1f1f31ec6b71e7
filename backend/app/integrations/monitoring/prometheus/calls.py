"""Counts calls. A few microseconds each: the places of all that one sort of call adds to are found once."""

from bisect import bisect_left

from app.domain.calls import EndedCall, Tried
from app.domain.usage import Usage
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.labels import OTHER, Labels
from app.integrations.monitoring.prometheus.shelf import Full, Shelf
from app.integrations.monitoring.prometheus.sorts import Places, Sort

REMEMBERED = 10_000
"""Sorts of calls, after which all are found anew."""

_DURATION = families.DURATION.bounds
_GEN_DURATION = families.GEN_AI_DURATION.bounds
_GEN_TOKENS = families.GEN_AI_TOKENS.bounds
_FIRST_TOKEN = families.GEN_AI_FIRST_TOKEN.bounds
_PER_TOKEN = families.GEN_AI_PER_TOKEN.bounds
_REASONS = {"rate_limit_exceeded": "rate_limit", "insufficient_quota": "budget", "queue_full": "queue_full"}


class CallMeter:
    """Counts on `shelf`, under the values that `labels` allows."""

    def __init__(self, shelf: Shelf, labels: Labels) -> None:
        self._shelf = shelf
        self._values = shelf.values
        self._labels = labels
        self._known: dict[tuple[object, ...], Places] = {}
        self._places: dict[Sort, Places] = {}

    def count(self, call: EndedCall) -> None:
        key = (
            *(call.model, call.integration, call.target_model, call.operation, call.front_end, call.outcome),
            *(call.team, call.cached, call.attempts == 0),
        )
        places = self._known.get(key) or self._find(key, call)
        values = self._values
        values[places.requests] += 1.0
        seconds, start = call.seconds, places.duration
        values[start] += seconds
        values[start + 1 + bisect_left(_DURATION, seconds)] += 1.0
        if call.cost:
            values[places.cost] += call.cost
        if places.asked:
            start = places.gen_duration
            values[start] += seconds
            values[start + 1 + bisect_left(_GEN_DURATION, seconds)] += 1.0
            if call.stream and call.outcome == "ok":
                self._count_stream(call, places)
        if call.usage is not None:
            self._count_tokens(call.usage, places)
        tried = call.tried
        if len(tried) == 1 and tried[0].failure is None and not tried[0].waited:
            values[places.answered] += 1.0
        else:
            self._count_attempts(tried)
        if places.odd:
            self._count_odd(call, places)

    def _count_tokens(self, usage: Usage, places: Places) -> None:
        values = self._values
        taken, given = usage.input_tokens, usage.output_tokens
        values[places.input] += taken
        values[places.output] += given
        if places.asked:
            start = places.gen_input
            values[start] += taken
            values[start + 1 + bisect_left(_GEN_TOKENS, taken)] += 1.0
            start = places.gen_output
            values[start] += given
            values[start + 1 + bisect_left(_GEN_TOKENS, given)] += 1.0
        if usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens:
            add = self._shelf.add
            add(families.TOKENS, usage.cached_tokens, *places.tokens, "cached")
            add(families.TOKENS, usage.cache_write_tokens, *places.tokens, "cache_write")
            add(families.TOKENS, usage.reasoning_tokens, *places.tokens, "reasoning")

    def _count_stream(self, call: EndedCall, places: Places) -> None:
        first = call.first_event_seconds
        if first is None:
            return
        values = self._values
        start = places.first_token
        values[start] += first
        values[start + 1 + bisect_left(_FIRST_TOKEN, first)] += 1.0
        if call.usage is not None and call.usage.output_tokens > 1:
            each = (call.seconds - first) / (call.usage.output_tokens - 1)
            start = places.per_token
            values[start] += each
            values[start + 1 + bisect_left(_PER_TOKEN, each)] += 1.0

    def _count_attempts(self, tried: tuple[Tried, ...]) -> None:
        shelf, before = self._shelf, None
        for each in tried:
            result = each.failure or ("lost" if each.lost else "ok")
            shelf.add(families.ATTEMPTS, 1.0, each.integration, result)
            if each.waited:
                shelf.observe(families.QUEUE_WAIT, each.waited, each.integration)
            if before is not None:
                same = (before.integration, before.model) == (each.integration, each.model)
                kind = "hedge" if each.hedge else "retry" if same else "fallback"
                shelf.add(families.REPEATS, 1.0, each.integration, kind)
            before = each

    def _count_odd(self, call: EndedCall, places: Places) -> None:
        """It failed, or no provider was asked."""
        if places.error is not None:
            self._values[places.error] += 1.0
        if call.cached is not None:
            self._shelf.add(families.CACHED, 1.0, places.tokens[0], call.cached)
        if not call.attempts and (reason := _refusal(call)):
            self._shelf.add(families.REFUSALS, 1.0, reason)

    def _find(self, key: tuple[object, ...], call: EndedCall) -> Places:
        """Names that callers made up are not remembered: there is no end to them, and they may become known."""
        sort = Sort.of(call, self._labels)
        places = self._places.get(sort)
        if places is None:
            places = self._places[sort] = self._placed(sort)
        if OTHER not in sort:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = places
        return places

    def _placed(self, sort: Sort) -> Places:
        try:
            return Places(self._shelf.place, sort)
        except Full:
            self._shelf.tell_full()
            return Places(self._shelf.last_place, Sort.rest())


def _refusal(call: EndedCall) -> str:
    if call.outcome == "resource_exhausted":
        return _REASONS.get(call.code or "", OTHER)
    return "access" if call.outcome == "permission_denied" else ""
