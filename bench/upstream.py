"""An upstream that answers from bytes made beforehand, so that it costs almost nothing.

    python -m bench.upstream --port 9000

It speaks OpenAI's format, and at their paths Anthropic's, Gemini's and Ollama's (answers.py). A request for a
stream gets as many chunks as its text asks for ("bench: 100 chunks, 5 ms apart"), so that one serves every
scenario through any gateway, and its usage where it asks for that; any other request gets a whole answer. A GET
lists one model. It decodes no JSON, and of a long body it keeps nothing.

    python -m bench.upstream --port 9000 --slots 8 --service-ms 40

has the capacity of a local engine: a whole completion takes 40 ms, and there are 8 at a time; the others wait.
"""

import argparse
import asyncio
import re
from collections import deque
from typing import cast

import uvloop

from bench.answers import GETS, MODELS, NO_LENGTH, OPENAI, POSTS

LONGEST_KEPT = 4096
"""A longer body is counted and not kept: holding on to 1 MB would cost more than a gateway does."""

_STREAM = re.compile(rb'"stream"\s*:\s*true')
_ASKED = re.compile(rb'"include_usage"\s*:\s*true')
_WISHES = re.compile(rb"bench: (\d+) chunks, ([\d.]+) ms apart")


def wishes(chunks: int, interval_ms: float) -> str:
    """The words that ask for this stream."""
    return f"bench: {chunks} chunks, {interval_ms:g} ms apart"


class Engine:
    """Gives whole answers, at most `slots` at a time, each after `seconds`; 0 slots: at once."""

    def __init__(self, slots: int = 0, seconds: float = 0.0) -> None:
        self._slots = slots
        self._seconds = seconds
        self._busy = 0
        self._waiting: deque[tuple[asyncio.WriteTransport, bytes]] = deque()

    def complete(self, transport: asyncio.WriteTransport, answer: bytes) -> None:
        if not self._slots:
            transport.write(answer)
        elif self._busy < self._slots:
            self._busy += 1
            asyncio.get_running_loop().call_later(self._seconds, self._done, transport, answer)
        else:
            self._waiting.append((transport, answer))

    def _done(self, transport: asyncio.WriteTransport, answer: bytes) -> None:
        if not transport.is_closing():
            transport.write(answer)
        self._busy -= 1
        if self._waiting:
            self.complete(*self._waiting.popleft())


class Upstream(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine or Engine()
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._take_body(data)
            return
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body, self._received = self._received[:end].lower(), self._received[end + 4 :], b""
        path = head.split(b" ", 2)[1]
        self._answers = POSTS.get(path, OPENAI)
        if head.startswith(b"get "):
            self._transport.write(GETS.get(path, MODELS))
        elif b"\r\ncontent-length:" in head:
            self._left = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
            self._keeps = self._left <= LONGEST_KEPT
            self._take_body(body)
        else:
            self._transport.write(NO_LENGTH)
            self._transport.close()

    def _take_body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._keeps:
            self._received += data
        if self._left <= 0:
            body, self._received, self._left = self._received, b"", 0
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        answers = self._answers
        wished = _WISHES.search(body)
        chunks = int(wished[1]) if wished else 1
        streams = answers.streams if answers.streams is not None else _STREAM.search(body)
        if not (streams and chunks):
            self._engine.complete(self._transport, answers.whole)
            return
        self._interval = float(wished[2]) / 1000 if wished else 0.0
        self._end = answers.last + (answers.figures if _ASKED.search(body) else b"") + answers.end
        self._transport.write(answers.begin)
        self._stream(chunks)

    def _stream(self, left: int) -> None:
        if self._transport.is_closing():
            return
        if not left:
            self._transport.write(self._end)
            return
        self._transport.write(self._answers.piece)
        if self._interval:
            self._loop.call_later(self._interval, self._stream, left - 1)
        else:
            # One write a turn of the loop: chunks arrive apart, as from a model, not as one block.
            self._loop.call_soon(self._stream, left - 1)


async def serve(port: int, engine: Engine) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Upstream(engine), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--slots", type=int, default=0)
    arguments.add_argument("--service-ms", type=float, default=0.0)
    given = arguments.parse_args()
    uvloop.run(serve(given.port, Engine(given.slots, given.service_ms / 1000)))


if __name__ == "__main__":
    main()
