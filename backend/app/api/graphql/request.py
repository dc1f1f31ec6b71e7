"""What a resolver knows of the request that it serves."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from strawberry.types import Info

from app.accounts.audit.schemas import Actor
from app.api.context import ApiContext
from app.api.graphql.front_end import FRONT_END
from app.domain.principal import Principal
from app.domain.tracing import Trace


class Asked(msgspec.Struct, kw_only=True, eq=False):
    """One operation: who asks, its id, and how many calls it has made. `ending`: set when the platform stops.
    `introspects`: whether the schema may be asked for. `trace`: the one that it is part of. `again`: who asks now,
    for what goes on and on.
    """

    api: ApiContext
    principal: Principal
    id: str
    ending: asyncio.Event
    again: Callable[[], Awaitable[Principal]]
    introspects: bool = False
    trace: Trace | None = None
    calls: int = 0

    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return Actor(principal=self.principal, request_id=self.id, front_end=FRONT_END)

    def next_id(self) -> str:
        """The operation's own id for its first call, with a number for those that follow."""
        self.calls += 1
        return self.id if self.calls == 1 else f"{self.id}-{self.calls}"


Asking = Info[Asked, None]
