"""What a resolver knows of the request that it serves."""

import asyncio

import msgspec
from strawberry.types import Info

from app.api.context import ApiContext
from app.domain.errors import PermissionDenied
from app.domain.principal import Principal


class Asked(msgspec.Struct, kw_only=True, eq=False):
    """One operation: who asks, its id, and how many calls it has made. `ending`: set when the platform
    stops. `introspects`: whether the schema may be asked for.
    """

    api: ApiContext
    principal: Principal
    id: str
    ending: asyncio.Event
    introspects: bool = False
    calls: int = 0

    def next_id(self) -> str:
        """The operation's own id for its first call, with a number for those that follow."""
        self.calls += 1
        return self.id if self.calls == 1 else f"{self.id}-{self.calls}"

    def require_admin(self) -> None:
        """Raises PermissionDenied."""
        if "admin" not in self.principal.roles:
            raise PermissionDenied("This needs the role 'admin'.")


Asking = Info[Asked, None]
