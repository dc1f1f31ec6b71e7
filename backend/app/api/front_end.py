"""What a front-end may have beyond the three methods of an integration; `manager.providing(Drains)` finds it."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Listens(Protocol):
    """Has a server of its own beside the HTTP server."""

    @property
    def address(self) -> str:
        """Where it listens and what it speaks there, for people."""
        ...


@runtime_checkable
class Drains(Protocol):
    """Has calls that the HTTP server does not wait for when the platform stops."""

    async def drain(self, seconds: float) -> None:
        """Take no new call; return when those under way have ended, after `seconds` at the latest."""
        ...
