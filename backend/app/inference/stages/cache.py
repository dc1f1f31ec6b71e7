"""Exact repetitions: an answer that was given before, or one that is on its way to somebody else.

For the models whose policy wants it; to the others it is one look. What is kept is whole and good, and the model's
own: not the answer of a fallback, which stood in for it.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from app.domain.errors import ModelNotFound
from app.domain.events import EventStream, StreamEvent
from app.domain.whole import Whole
from app.inference.caching.answers import Answers
from app.inference.caching.flight import Flight, Reader
from app.inference.caching.kept import worth_keeping
from app.inference.caching.key import key_of
from app.inference.call import Call
from app.inference.catalog import LiveCatalog
from app.inference.entry import ModelEntry
from app.inference.policy import CachePolicy

logger = logging.getLogger(__name__)

Proceed = Callable[[Call], Awaitable[EventStream]]


class AnswerCache:
    """A stage. It stands after the stages that let a caller in, and before those that cost something."""

    def __init__(self, catalog: LiveCatalog, answers: Answers) -> None:
        self._catalog = catalog
        self._answers = answers
        self._flights: dict[str, Flight] = {}

    def __call__(self, call: Call, proceed: Proceed) -> Awaitable[EventStream]:
        try:
            entry = self._catalog.current.entry(call.model)
        except ModelNotFound:
            return proceed(call)  # where it is said
        policy = entry.policy.cache
        if policy is None or call.cache_control == "no-store":
            return proceed(call)
        return self._answer(call, entry, policy, proceed)

    async def _answer(self, call: Call, entry: ModelEntry, policy: CachePolicy, proceed: Proceed) -> EventStream:
        call.meant, call.policy = entry.meant_by(call.model), entry.policy
        key = key_of(call, entry, policy)
        if key is None:
            return await proceed(call)
        if call.cache_control is None:
            if key not in self._flights and (kept := await self._answers.get(key)) is not None:
                call.cache_status = "hit"
                return Whole(kept)
            flight = self._flights.get(key)  # it may have begun meanwhile
            if flight is not None:
                call.cache_status = "coalesced"
                return await _begun(flight.join(call))
        call.cache_status = "miss"
        return await _begun(self._asked(key, call, entry, policy, proceed).join(call))

    def _asked(self, key: str, call: Call, entry: ModelEntry, policy: CachePolicy, proceed: Proceed) -> Flight:
        keep = partial(self._keep, key, entry.name, policy.ttl)
        flight = Flight(call, proceed, self._answers.most_bytes, keep, partial(self._forget, key))
        if policy.coalesce:
            self._flights[key] = flight
        return flight

    async def _keep(self, key: str, name: str, ttl: float, call: Call, events: list[StreamEvent]) -> None:
        if call.attempts and call.attempts[-1].name != name:
            return
        if not worth_keeping(events):
            return
        try:
            await self._answers.put(key, events, ttl)
        except Exception:
            logger.exception("call %s: defect in the cache", call.id)

    def _forget(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _begun(reader: Reader) -> EventStream:
    try:
        await reader.begun()
    except BaseException:
        await reader.aclose()
        raise
    return reader
