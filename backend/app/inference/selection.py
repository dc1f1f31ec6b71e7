"""In which order the targets of a model are asked: pure functions, one a strategy.

A strategy gives each target a score, and lower ones come first. Targets of a lower `priority` come before those
of a higher one, and among equals one whose model is in memory before one that has to load it. One that has just
failed comes after those that have not, whatever its priority.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from app.inference.call import Target
from app.inference.policy import Strategy

UNKNOWN_PRICE = 1e9
LARGE = 1e15


class Asking:
    """What strategies may want to know of a request. `random` gives floats in [0, 1), `now` is the clock of the
    targets' vitals. `session` and `prefix` are looked up on first need.
    """

    def __init__(
        self,
        now: float,
        random: Callable[[], float],
        session: Callable[[], bytes] = bytes,
        prefix: Callable[[], bytes] = bytes,
    ) -> None:
        self.now = now
        self.random = random
        self._session = session
        self._prefix = prefix

    @cached_property
    def session(self) -> bytes:
        """What tells the caller's conversation or, failing that, the caller."""
        return self._session()

    @cached_property
    def prefix(self) -> bytes:
        """The beginning of the prompt, which a local engine may have in its cache."""
        return self._prefix()


Score = Callable[[Target, Asking], float]


def _weighted(target: Target, asking: Asking) -> float:
    """Efraimidis and Spirakis: -log(u) / weight is a random order in which weights are shares of the top."""
    return -math.log(1.0 - asking.random()) / target.weight if target.weight > 0 else math.inf


def _as_written(target: Target, asking: Asking) -> float:
    return 0.0


def _busy(target: Target, asking: Asking) -> float:
    """Requests under way for its weight. A little chance, so that equals share."""
    return (target.vitals.in_flight + asking.random()) / (target.weight or 1e-9)


def _slow(target: Target, asking: Asking) -> float:
    """What is to be expected: the latency seen lately, times those already waiting there."""
    vitals = target.vitals
    if not vitals.latency.seen and vitals.in_flight:
        return math.inf  # nobody knows yet, and one request is enough to find out
    return (vitals.latency.value(asking.now) + 1e-6 * asking.random()) * (vitals.in_flight + 1)


def _dear(target: Target, asking: Asking) -> float:
    price = target.price
    if price is not None:
        return price.input + price.output
    return 0.0 if target.own else UNKNOWN_PRICE


def _large(target: Target, asking: Asking) -> float:
    """By size; a model whose size nobody tells, by its price."""
    known = target.known
    if known is not None and known.size_bytes:
        return float(known.size_bytes)
    return LARGE + _dear(target, asking)


def _by_session(target: Target, asking: Asking) -> float:
    return _rendezvous(asking.session, target)


def _by_prefix(target: Target, asking: Asking) -> float:
    return _rendezvous(asking.prefix, target)


def _rendezvous(key: bytes, target: Target) -> float:
    """Highest random weight: the same key leads to the same target, and when one goes only its keys move.
    https://en.wikipedia.org/wiki/Rendezvous_hashing
    """
    name = f"{target.integration}/{target.model}".encode()
    digest = hashlib.blake2b(key, key=hashlib.blake2b(name, digest_size=32).digest(), digest_size=8).digest()
    share = (int.from_bytes(digest, "big") + 1) / 2**64
    return -math.log(share) / target.weight if target.weight > 0 else math.inf


SCORES: Mapping[Strategy, Score] = {
    "weighted": _weighted,
    "priority": _as_written,
    "least_busy": _busy,
    "lowest_latency": _slow,
    "cheapest": _dear,
    "sticky": _by_session,
    "sticky_prefix": _by_prefix,
    "auto": _large,
}

_SAMPLED: frozenset[Strategy] = frozenset({"least_busy", "lowest_latency"})
"""Two are drawn and the better one goes first: of many who all see the same best target, all would run to it."""

_STAYS: frozenset[Strategy] = frozenset({"sticky", "auto", "priority", "cheapest"})
"""These choose for reasons that outweigh a load from disk."""

_BOUNDED: frozenset[Strategy] = frozenset({"sticky", "sticky_prefix"})

BALANCE = 1.5
"""Of its share of the requests under way, what one target of such a strategy may have."""

Scored = tuple[float, Target]


def ordered(targets: Sequence[Target], strategy: Strategy, asking: Asking) -> list[Scored]:
    """Best first, each with its score."""
    score = SCORES[strategy]
    scored = [(score(target, asking), target) for target in targets]
    if len(scored) == 1:
        return scored
    stays = strategy in _STAYS
    full = over_bound(targets, strategy, asking.now)

    def rank(target: Target) -> tuple[bool, int, bool, bool]:
        cold = _cold(target) and not stays
        return target.vitals.doubtful(asking.now), target.priority, cold, target in full

    scored.sort(key=lambda each: (rank(each[1]), each[0]))
    if strategy in _SAMPLED:
        peers = sum(rank(target) == rank(scored[0][1]) for _, target in scored)
        return _best_of_two(scored, peers, asking)
    return scored


def over_bound(targets: Sequence[Target], strategy: Strategy, now: float) -> list[Target]:
    """Those that would have more than their bound with one request more. What belongs together goes on to the next
    in its own order then, so that a prompt that all have in common does not bring all to one target: consistent
    hashing with bounded loads, https://arxiv.org/abs/1608.01350
    """
    if strategy not in _BOUNDED:
        return []
    equals: dict[tuple[bool, int], list[Target]] = {}
    for target in targets:
        equals.setdefault((target.vitals.doubtful(now), target.priority), []).append(target)
    return [target for among in equals.values() for target in among if _over_bound(target, among)]


def _over_bound(target: Target, among: Sequence[Target]) -> bool:
    weight = sum(each.weight for each in among)
    load = 1 + sum(each.vitals.in_flight for each in among)
    return weight > 0 and target.vitals.in_flight >= math.ceil(BALANCE * load * target.weight / weight)


def set_back(target: Target, now: float, full: Sequence[Target]) -> str | None:
    """Why `target` may come after others, whatever its score."""
    if target.vitals.doubtful(now):
        return "has just failed"
    if target in full:
        return "has more than its share of the requests"
    return "its model is not in memory" if _cold(target) else None


def _cold(target: Target) -> bool:
    return target.known is not None and target.known.loaded is False


def _best_of_two(scored: list[Scored], peers: int, asking: Asking) -> list[Scored]:
    """The power of two choices, among the first `peers`, which are equals but for their scores."""
    if peers <= 2:
        return scored
    one = int(asking.random() * peers)
    other = int(asking.random() * (peers - 1))
    chosen = min(one, other + (other >= one))  # they are in order, so the lower place is the better one
    return [scored[chosen], *scored[:chosen], *scored[chosen + 1 :]]
