"""Is the upstream there, and which models has it: what initialize() and health_check() of providers share.
How a listing reads is each provider's own matter."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from app.core.http import OutboundRequest, Transport, error_by_status, read_error
from app.core.integration_framework import HealthReport
from app.domain.errors import NotFound
from app.domain.models import ModelInfo

Models = tuple[ModelInfo, ...]


async def check(transport: Transport, path: str, patience: float) -> HealthReport:
    """One GET. `patience`: seconds until the answer begins; `details.latency_ms`: until it was whole.

    A server that lacks the path is there all the same. Raises UpstreamError for any other answer but a 2xx.
    """
    began = time.perf_counter()
    request = OutboundRequest(method="GET", path=path, first_byte_timeout=patience)
    async with aclosing(await transport.open(request)) as response:
        await read_error(response)
        if not 200 <= response.status < 300:
            error = error_by_status(transport.name, response.status)
            if not isinstance(error, NotFound):
                raise error
    return HealthReport(details={"latency_ms": round((time.perf_counter() - began) * 1000, 1)})


class ModelList:
    """The last known models of one provider. `changed` is called on real changes alone, as it makes others work.

    `max_age`: seconds after which `refresh_if_old` looks again.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Models]],
        changed: Callable[[], None],
        max_age: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._changed = changed
        self._max_age = max_age
        self._clock = clock
        self._looked_at = float("-inf")
        self._models: Models = ()

    def __call__(self) -> Sequence[ModelInfo]:
        return self._models

    async def refresh(self) -> None:
        """Raises what `fetch` raises; the old list then stays."""
        found = await self._fetch()
        self._looked_at = self._clock()
        if found != self._models:
            self._models = found
            self._changed()

    async def refresh_if_old(self) -> None:
        if self._clock() - self._looked_at >= self._max_age:
            await self.refresh()
