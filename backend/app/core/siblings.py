"""Questions between the processes of one platform: each listens on a socket file in a folder that is theirs alone.

For what one process remembers and another one is asked about. A question and its answer are bytes, read to their
end; an empty answer means that this process does not know.
"""

import asyncio
import contextlib
import os
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from pathlib import Path

ANSWER_SECONDS = 1.0
"""How long a process may take that hangs, or is about to end."""

Answer = Callable[[bytes], bytes]


class Siblings:
    """`folder`: None where there is one process, which has nobody to ask."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._server: asyncio.Server | None = None

    async def listen(self, answer: Answer) -> None:
        if self._folder is not None:
            self._own = self._folder / str(os.getpid())
            self._server = await asyncio.start_unix_server(_Conversation(answer), self._own)

    async def ask(self, question: bytes) -> bytes:
        """The first answer of another process that is not empty; empty where there is none."""
        others = [] if self._folder is None else [each for each in self._folder.iterdir() if each != self._own]
        asking = [asyncio.create_task(_ask(each, question)) for each in others]
        try:
            for answered in asyncio.as_completed(asking):
                if answer := await answered:
                    return answer
            return b""
        finally:
            for task in asking:
                task.cancel()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


class _Conversation:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(self._answer(await reader.read()))
                await writer.drain()


async def _ask(socket: Path, question: bytes) -> bytes:
    """Empty where nobody listens: whoever did is gone."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket)
            with contextlib.closing(writer):
                writer.write(question)
                writer.write_eof()
                return await reader.read()
    except (OSError, TimeoutError):
        return b""
