"""Walk the attempt plan until one target gives its first event.

Falling over is for failures before the first event only: two models are never spliced into one answer.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable

from app.domain.errors import PlatformError, UpstreamError
from app.domain.events import EventStream
from app.inference.call import Attempt, Call
from app.inference.catalog import LiveCatalog
from app.inference.selection import by_priority

logger = logging.getLogger(__name__)


class WalkPlan:
    def __init__(self, catalog: LiveCatalog, proceed: Callable[[Attempt], Awaitable[EventStream]]) -> None:
        self._catalog = catalog
        self._proceed = proceed

    async def __call__(self, call: Call) -> EventStream:
        """Raises the last attempt's error when all failed, at once an error that is the caller's own."""
        plan = by_priority(self._catalog.current.resolve(call.model), random.random)
        for target in plan[:-1]:
            try:
                return await self._try(Attempt(call, target))
            except PlatformError as error:
                if not error.retryable:
                    raise
                logger.warning(
                    "call %s: %s failed (%s), trying the next target", call.id, target.integration, error
                )
        return await self._try(Attempt(call, plan[-1]))

    async def _try(self, attempt: Attempt) -> EventStream:
        attempt.call.attempts.append(attempt)
        began = time.perf_counter()
        try:
            return await self._proceed(attempt)
        except PlatformError as error:
            attempt.failure = error
            raise
        except Exception as error:
            attempt.failure = error
            logger.exception("call %s: defect in integration '%s'", attempt.call.id, attempt.target.integration)
            name = attempt.target.integration
            raise UpstreamError(f"The integration '{name}' failed unexpectedly.", provider=name) from error
        finally:
            attempt.seconds = time.perf_counter() - began
