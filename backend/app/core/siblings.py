"""Questions between the processes of one platform: each listens on a socket file in a folder that is theirs alone.

For what one process knows and another one is asked about. A question is about a topic; it and its answer are
bytes, read to their end. An empty answer means that this process does not know.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from pathlib import Path

from app.core.liveness import lives, mark, mark_new

ANSWER_SECONDS = 1.0
"""How long a process may take that hangs, or is about to end."""

_FOLDERS = "llm-platform-"
_ALIVE = "alive"

Answer = Callable[[bytes], bytes]


@contextlib.contextmanager
def common_folder() -> Iterator[Path]:
    """For the processes of one platform, until its end. Those of platforms that were killed go now."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with contextlib.suppress(OSError):
            if not lives(left / _ALIVE):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_FOLDERS) as name:
        folder = Path(name)
        alive = mark_new(folder / _ALIVE)
        try:
            yield folder
        finally:
            os.close(alive)


class Siblings:
    """`folder`: None where there is one process, which has nobody to ask."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._alive: int | None = None
        self._server: asyncio.Server | None = None
        self._answers: dict[bytes, Answer] = {}

    def answer(self, topic: str, answer: Answer) -> Callable[[], None]:
        """Answer questions about `topic` with it, and no longer as before. Returns what ends that."""
        key = topic.encode()
        self._answers[key] = answer

        def stop() -> None:
            if self._answers.get(key) is answer:
                del self._answers[key]

        return stop

    def room(self, name: str) -> Path | None:
        """A folder for files that the processes share. It goes when the last of them does."""
        if self._folder is None:
            return None
        room = self._folder / name
        room.mkdir(exist_ok=True)
        return room

    async def listen(self) -> None:
        if self._folder is not None:
            self._alive = mark(self._folder / _ALIVE)
            self._own = self._folder / str(os.getpid())
            self._server = await asyncio.start_unix_server(_Conversation(self._answers), self._own)

    async def ask(self, topic: str, question: bytes = b"") -> bytes:
        """The first answer of another process that is not empty; empty where there is none."""
        asking = self._asking(topic, question)
        try:
            for answered in asyncio.as_completed(asking):
                if answer := await answered:
                    return answer
            return b""
        finally:
            for task in asking:
                task.cancel()

    async def ask_all(self, topic: str, question: bytes = b"") -> list[bytes]:
        """What each of the other processes answers that knows."""
        answers = await asyncio.gather(*self._asking(topic, question))
        return [answer for answer in answers if answer]

    def _asking(self, topic: str, question: bytes) -> list[asyncio.Task[bytes]]:
        within = [] if self._folder is None else self._folder.iterdir()
        others = [each for each in within if each != self._own and each.is_socket()]
        return [asyncio.create_task(_ask(each, topic.encode() + b"\n" + question)) for each in others]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None


class _Conversation:
    def __init__(self, answers: dict[bytes, Answer]) -> None:
        self._answers = answers

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(ANSWER_SECONDS):
                topic, _, question = (await reader.read()).partition(b"\n")
                answer = self._answers.get(topic)
                writer.write(b"" if answer is None else answer(question))
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
    except ConnectionRefusedError:
        _forget(socket)
    except (OSError, TimeoutError):
        pass
    return b""


def _forget(socket: Path) -> None:
    """Of a process that was killed: many may be, one after another, and each leaves one."""
    try:
        os.kill(int(socket.name), 0)
    except ProcessLookupError:
        socket.unlink(missing_ok=True)
    except PermissionError:
        pass  # it runs, as somebody else
