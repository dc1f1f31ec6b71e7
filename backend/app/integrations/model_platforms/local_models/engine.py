"""One model in memory: its threads, its slots, and who uses it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal
from weakref import WeakSet

from app.integrations.model_platforms.local_models.channel import Channel
from app.integrations.model_platforms.local_models.runtime import Operation, Server
from app.integrations.model_platforms.local_models.side_door import SideDoor

Reading = Literal["embedding", "ranking"]


class EngineClosed(Exception):
    """The model left memory while the request waited for a slot."""


class Engine:
    """Runs at most `slots` requests side by side; the others wait in the order they came.

    A thread belongs to its request until llama.cpp returns from it: one that was closed while its prompt is still
    being read keeps its slot until the next step of that work, and whoever closed it does not wait for that.
    """

    def __init__(self, server: Server, door: SideDoor | None = None, *, slots: int, name: str) -> None:
        self._server: Server | None = server
        self._door = door
        self._closing = False
        self._threads = ThreadPoolExecutor(max_workers=slots, thread_name_prefix=f"llama-{name}")
        self._slots = asyncio.Semaphore(slots)
        # Thread at work -> whom it writes to.
        self._running: dict[asyncio.Future[None], Channel | None] = {}
        self._glances: WeakSet[Channel] = WeakSet()

    @property
    def running(self) -> int:
        """Threads at work, also for those who no longer wait."""
        return len(self._running)

    async def generate(self, operation: Operation, request: bytes) -> Channel:
        """Start an answer once a slot is free. The caller closes the channel."""
        await self._slots.acquire()
        channel = Channel(asyncio.get_running_loop())
        self._start(partial(_generate, operation=operation, request=request, channel=channel), channel)
        return channel

    async def glance(self, request: bytes) -> Channel:
        """Start a chat answer of which only the beginning is wanted. The caller closes the channel soon.

        Reading a prompt costs a slot what it knew of another. So all glances use the same one, unless an answer is
        under way, which may be in that slot and go on for long.
        """
        await self._slots.acquire()
        channel = Channel(asyncio.get_running_loop())
        if all(other in self._glances for other in self._running.values()):
            request = b'{"id_slot":0,' + request[1:]
        self._glances.add(channel)
        self._start(partial(_generate, operation="chat", request=request, channel=channel), channel)
        return channel

    async def read(self, mode: Reading, request: bytes) -> bytes:
        """Raises ValueError, RuntimeError; may answer {"error": …}. Cannot be stopped once begun."""
        await self._slots.acquire()
        answer: Future[bytes] = Future()
        self._start(partial(_read, mode=mode, request=request, answer=answer))
        return await asyncio.wrap_future(answer)

    async def ask(self, path: str, body: bytes) -> bytes:
        """By the side door, which takes no slot. Raises EngineClosed, OSError, HTTPException."""
        if self._door is None or self._closing:
            raise EngineClosed
        return await asyncio.to_thread(self._door.ask, path, body)

    async def close(self) -> None:
        """Stop what runs, refuse what waits for a slot, and when all has stopped free the model. Safe twice."""
        self._closing = True
        for channel in self._running.values():
            if channel is not None:
                channel.close()
        await self.drained()
        held, self._server = [self._server], None
        if held[0] is not None:
            # In a thread, since freeing a model takes its time.
            await asyncio.get_running_loop().run_in_executor(self._threads, held.clear)
            self._threads.shutdown(wait=True)
        if self._door is not None:
            self._door.close()

    async def drained(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    def _start(self, work: Callable[[Server], None], channel: Channel | None = None) -> None:
        """The slot in hand passes to `work`. Raises EngineClosed."""
        if self._server is None or self._closing:
            self._slots.release()
            raise EngineClosed
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, self._server)
        self._running[running] = channel
        running.add_done_callback(self._finished)

    def _finished(self, running: "asyncio.Future[None]") -> None:
        del self._running[running]
        self._slots.release()


def _generate(server: Server, operation: Operation, request: bytes, channel: Channel) -> None:
    try:
        if operation == "chat":
            server.handle_chat_completions(request, channel.put)
        else:
            server.handle_completions(request, channel.put)
    except Exception as error:
        # Its traceback would hold the server, and with it the model in memory.
        channel.end(error.with_traceback(None))
    else:
        channel.end()


def _read(server: Server, mode: Reading, request: bytes, answer: "Future[bytes]") -> None:
    # Nobody may be waiting any more: then the answer is for nobody.
    if not answer.set_running_or_notify_cancel():
        return
    try:
        handle = server.handle_embeddings if mode == "embedding" else server.handle_rerank
        answer.set_result(handle(request))
    except Exception as error:
        answer.set_exception(error.with_traceback(None))
