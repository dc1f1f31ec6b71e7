"""The running front-end: the schema, the sockets that are open, and how an operation is executed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import cast

from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app.api.context import ApiContext
from app.api.graphql import http
from app.api.graphql.request import Asked
from app.api.graphql.schema import build_schema
from app.api.graphql.socket import Socket
from app.api.graphql.wire import Operation
from app.domain.principal import Principal

EVERY_TYPE = frozenset(OperationType)


class Engine:
    """`ending` is set when no operation may begin any more."""

    def __init__(self, api: ApiContext, ending: asyncio.Event, *, introspection: bool, graphiql: bool) -> None:
        self.api = api
        self.ending = ending
        self.graphiql = get_graphql_ide_html().encode() if graphiql else b""
        self._introspection = introspection
        self._schema = build_schema()
        self._sockets: set[Socket] = set()

    async def asked(self, key: str | None, id: str) -> Asked:
        """`key`: what the caller showed. Raises Unauthenticated, Unavailable."""

        async def again() -> Principal:
            return await self.api.policy().authenticator.authenticate(key)

        return Asked(
            api=self.api,
            principal=await again(),
            id=id,
            ending=self.ending,
            again=again,
            introspects=self._introspection,
        )

    @asynccontextmanager
    async def results(
        self, operation: Operation, asked: Asked, allowed: Iterable[OperationType] = EVERY_TYPE
    ) -> AsyncIterator[AsyncGenerator[ExecutionResult, None]]:
        """At least one result; a query and a mutation have just that one. Leaving early stops the operation."""
        stream = await self._schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=asked,
            operation_name=operation.operation_name,
            allowed_operation_types=allowed,
        )
        async with aclosing(cast("AsyncGenerator[ExecutionResult, None]", stream)) as results:
            yield results

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await http.serve(self, scope, receive, send)

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(self, scope, receive, send)
        self._sockets.add(socket)
        try:
            await socket.serve()
        finally:
            self._sockets.discard(socket)

    async def drain(self, seconds: float) -> None:
        """Close each socket when what runs on it has ended, or after `seconds`; `ending` is set."""
        await asyncio.gather(*(socket.drain(seconds) for socket in tuple(self._sockets)))
