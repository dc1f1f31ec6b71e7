"""grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

States are looked up when they are asked for. grpcio's own servicer keeps them instead, and its watchers never end,
which would hold up a server that drains.
"""

import asyncio

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from app.api.context import ApiContext
from app.api.grpc.door import Rpc
from app.domain.errors import NotFound, Overloaded

INFERENCE = "llm_platform.v1.Inference"
OTHERS = ("", "llm_platform.v1.Models", "llm_platform.v1.Metrics")

MAX_WATCHERS = 1000
"""Anybody may watch, so there is an end to it."""

_STATUS = {
    True: HealthCheckResponse.SERVING,
    False: HealthCheckResponse.NOT_SERVING,
    None: HealthCheckResponse.SERVICE_UNKNOWN,
}


class Health(HealthServicer):
    """ "" is the platform as a whole: requests may be sent here. Inference also needs a model that answers."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._watchers: set[asyncio.Event] = set()
        self._closed = False
        self._forget = context.router.catalog.watch(self._notify)

    def close(self) -> None:
        """Not serving, for good; whoever watches is told, and that is the end of it."""
        if not self._closed:
            self._closed = True
            self._forget()
            self._notify()

    async def Check(self, request: HealthCheckRequest, rpc: Rpc) -> HealthCheckResponse:  # noqa: N802
        good = self._good(request.service)
        if good is None:
            raise NotFound("There is no such service here.", code="unknown_service", param="service")
        return HealthCheckResponse(status=_STATUS[good])

    async def Watch(self, request: HealthCheckRequest, rpc: Rpc) -> None:  # noqa: N802
        if len(self._watchers) >= MAX_WATCHERS:
            raise Overloaded("Too many watch the health of this server.", retry_after=1.0)
        changed, told = asyncio.Event(), None
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                status = _STATUS[self._good(request.service)]
                if status != told:
                    await rpc.write(HealthCheckResponse(status=status))
                    told = status
                if self._closed:
                    return
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _notify(self) -> None:
        for changed in self._watchers:
            changed.set()

    def _good(self, service: str) -> bool | None:
        """None for a service that is not here."""
        if service != INFERENCE and service not in OTHERS:
            return None
        ready = self._context.ready() and not self._closed
        if service != INFERENCE or not ready:
            return ready
        return any(entry.serving for entry in self._context.router.catalog.current.entries())
