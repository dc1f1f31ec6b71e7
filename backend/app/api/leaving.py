"""Notice that the client left while its answer is being made."""

import asyncio
from types import TracebackType

from starlette.types import Receive

from app.api.asgi import ClientGone
from app.api.lane import Lane


class UntilDisconnect:
    """Run the block; when the client leaves, cancel it and raise ClientGone.

    To be entered after the body has been read: from then on `receive` returns only to say that the client left.
    With a lane nothing has to wait for that.
    """

    __slots__ = ("_gone", "_lane", "_receive", "_task", "_watcher")

    def __init__(self, receive: Receive, lane: Lane | None = None) -> None:
        self._receive = receive
        self._lane = lane
        self._gone = False
        self._task: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        if self._lane is None:
            self._watcher = asyncio.create_task(self._watch())
        elif self._lane.gone:
            raise ClientGone
        else:
            self._lane.on_leave = self._leave

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._lane is not None:
            self._lane.on_leave = None
        cancelled = self._gone and isinstance(error, asyncio.CancelledError)
        if cancelled and self._task is not None and self._task.uncancel() == 0:
            raise ClientGone from None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        if self._task is not None:
            self._task.cancel()
