"""Every call comes in here, whatever its service: who asks, is there room, and how a failure is told.

A service that is added is guarded by that alone. Only the health service answers without a key.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from inspect import isasyncgenfunction
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import msgspec

from app.accounts.audit.schemas import Actor
from app.api.access import check_access, is_public
from app.api.context import ApiContext
from app.api.grpc import errors
from app.api.request_ids import request_id
from app.core.batched_writes import prepare_to_write
from app.domain.errors import InternalError, Overloaded, PermissionDenied, PlatformError, Unauthenticated
from app.domain.principal import Principal

logger = logging.getLogger(__name__)

# In quotes, since only the stubs know their type parameters.
Rpc: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Behaviour = Callable[[Any, Rpc], Any]

HEALTH = "grpc.health.v1.Health"
ENDLESS = frozenset({"WatchModels", "GetMetrics", "ServerReflectionInfo"})
"""Methods whose stream goes on until the caller leaves: nobody waits for them when the platform stops."""


class Caller(msgspec.Struct, frozen=True):
    """`id` names the request. `route`: what it calls, as `service/method`. `again`: who asks now, for what goes on
    and on.
    """

    id: str
    principal: Principal
    again: Callable[[], Awaitable[Principal]]
    route: str

    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return Actor(principal=self.principal, request_id=self.id, front_end="grpc")


_CALLER: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Who makes the call that this task serves."""
    return _CALLER.get()


class Door(grpc.aio.ServerInterceptor):
    """`room`: how many calls may be under way at once. `name`: the front-end's."""

    def __init__(self, context: ApiContext, name: str, room: int) -> None:
        self._context = context
        self._name = name
        self._room = room
        self._inside = 0
        self._endless: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._was_up = False

    def close(self) -> None:
        """No new call; streams that would go on for ever end now, the others go on."""
        self._closed = True
        for task in self._endless:
            task.cancel()

    @property
    def busy(self) -> bool:
        """Whether calls are under way, but for those that would go on for ever."""
        return self._inside > len(self._endless)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None  # no such method: gRPC says so itself
        _, service, method = handler_call_details.method.split("/")
        if handler.response_streaming:
            behaviour = handler.stream_stream or handler.unary_stream
            make = grpc.stream_stream_rpc_method_handler if handler.request_streaming else _UNARY_STREAM
            guarded = self._streaming(service, method, behaviour)
        else:
            behaviour, make = handler.unary_unary, grpc.unary_unary_rpc_method_handler
            guarded = self._single(service, method, behaviour)
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    def _single(self, service: str, method: str, behaviour: Behaviour) -> Behaviour:
        async def guarded(request: Any, rpc: Rpc) -> Any:
            async with self._passed(service, method, rpc):
                return await behaviour(request, rpc)

        return guarded

    def _streaming(self, service: str, method: str, behaviour: Behaviour) -> Behaviour:
        async def guarded(request: Any, rpc: Rpc) -> None:
            async with self._passed(service, method, rpc):
                if not isasyncgenfunction(behaviour):
                    await behaviour(request, rpc)
                    return
                async with aclosing(behaviour(request, rpc)) as messages:
                    async for message in messages:
                        await rpc.write(message)

        return guarded

    @asynccontextmanager
    async def _passed(self, service: str, method: str, rpc: Rpc) -> AsyncIterator[None]:
        id = request_id(first(rpc, "x-request-id") or "")
        try:
            if is_public(f"gRPC {service}/{method}"):
                yield
                return
            _CALLER.set(await self._admitted(rpc, id, f"gRPC {service}/{method}"))
            self._check_room()
            self._inside += 1
            try:
                async with self._ending(method):
                    yield
            finally:
                prepare_to_write()  # gRPC's own server does not know of that
                self._inside -= 1
        except PlatformError as error:
            await rpc.abort(*errors.encode(error, id))
        except (grpc.aio.AbortError, grpc.aio.InternalError):
            raise  # the second: a message could not be sent, since the caller left at this moment
        except Exception:
            logger.exception("call %s: defect in %s", id, method)
            defect = InternalError("The platform failed unexpectedly; its log tells more under this request id.")
            await rpc.abort(*errors.encode(defect, id))

    async def _admitted(self, rpc: Rpc, id: str, route: str) -> Caller:
        """Raises PermissionDenied, Unauthenticated, Unavailable."""
        authenticator = self._context.policy().authenticator
        if authenticator.open_to_all and not is_loopback(rpc.peer()):
            raise PermissionDenied(
                "Without an API key the platform answers this machine only. Set LLM_PLATFORM_API_KEY."
            )
        key = authenticator.shown(_only(rpc, "authorization"), _only(rpc, "x-api-key"))

        async def again() -> Principal:
            return await self._context.policy().authenticator.authenticate(key)

        principal = await again()
        check_access(principal, route)
        return Caller(id, principal, again, route.removeprefix("gRPC "))

    def _check_room(self) -> None:
        """Raises Overloaded."""
        self._check_open()
        if self._inside >= self._room:
            raise Overloaded(f"{self._room} gRPC calls are under way already.", retry_after=1.0)

    def _check_open(self) -> None:
        """Raises Overloaded. While the integration starts, its state does not say yet that it serves."""
        serves = self._context.manager.serves(self._name)
        self._was_up = self._was_up or serves
        if self._closed or (self._was_up and not serves):
            raise _stopping()

    @asynccontextmanager
    async def _ending(self, method: str) -> AsyncIterator[None]:
        """The block; one that is endless ends with the platform."""
        task = asyncio.current_task()
        if method not in ENDLESS or task is None:
            yield
            return
        self._endless.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self._closed and task.uncancel() == 0:
                raise _stopping() from None
            raise
        finally:
            self._endless.discard(task)


_UNARY_STREAM = grpc.unary_stream_rpc_method_handler


def _stopping() -> Overloaded:
    return Overloaded("The platform's gRPC server is stopping.", code="stopping", retry_after=1.0)


def sent(rpc: Rpc, name: str) -> list[str]:
    """The metadata's values of that name; those of names in -bin, which are bytes, are not looked for here."""
    return [str(value) for key, value in rpc.invocation_metadata() or () if key == name]


def first(rpc: Rpc, name: str) -> str | None:
    return next(iter(sent(rpc, name)), None)


def _only(rpc: Rpc, name: str) -> str | None:
    """Raises Unauthenticated for two that differ."""
    values = set(sent(rpc, name))
    if len(values) > 1:
        raise Unauthenticated(f"'{name}' was sent with different values: send one.", code="invalid_api_key")
    return values.pop() if values else None


def is_loopback(peer: str) -> bool:
    """`peer` as gRPC writes it: ipv4:127.0.0.1:5000, ipv6:%5B::1%5D:5000, unix:path."""
    kind, _, address = unquote(peer).partition(":")
    return (
        kind == "unix"
        or (kind == "ipv4" and address.startswith("127."))
        or (kind == "ipv6" and address.startswith(("[::1]:", "[::ffff:127.")))
    )
