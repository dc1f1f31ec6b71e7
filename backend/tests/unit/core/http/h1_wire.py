"""An H1Connection on a fake socket, with the test in the place of peer and pool."""

import asyncio

from app.core.batched_writes import BatchedTransport
from app.core.http.h1_connection import H1Connection, Limits
from app.core.http.h1_response import H1Response

READ = 64 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Socket(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unsent = 0
        self.reading = True
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, list_of_data: tuple[bytes, ...]) -> None:
        self.written.append(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.aborted = True


class Wire:
    """A connection, its socket, and the pool it reports to."""

    def __init__(self, *, head_bytes: int = 4096, idle_timeout: float | None = None) -> None:
        self.socket = Socket()
        self.free: list[H1Connection] = []
        self.removed: list[H1Connection] = []
        self.connection = H1Connection(
            "upstream",
            asyncio.get_running_loop(),
            memoryview(bytearray(READ)),
            Limits(head_bytes, idle_timeout),
            self,
        )
        self.connection.connection_made(self.socket)

    def give_back(self, connection: H1Connection) -> None:
        self.free.append(connection)

    def withdraw(self, connection: H1Connection) -> None:
        if connection in self.free:
            self.free.remove(connection)

    def remove(self, connection: H1Connection) -> None:
        self.removed.append(connection)

    def ask(
        self, *, head_only: bool = False, patience: float | None = None
    ) -> "asyncio.Future[H1Response | None]":
        waiter = self.connection.send(b"HEAD", b"body", head_only=head_only, patience=patience, spent=0.0)
        self.flush()
        return waiter

    def flush(self) -> None:
        """What the turn of the loop would do at its end."""
        assert isinstance(self.connection._transport, BatchedTransport)
        self.connection._transport.flush()

    def arrive(self, received: bytes) -> None:
        while received and self.socket.reading:
            part, received = received[:READ], received[READ:]
            self.connection.get_buffer(-1)[: len(part)] = part
            self.connection.buffer_updated(len(part))

    async def response(self, received: bytes, **asked: bool) -> H1Response:
        waiter = self.ask(**asked)
        self.arrive(received)
        response = await waiter
        assert response is not None
        return response


async def whole(waiter: "asyncio.Future[H1Response | None]") -> bytes:
    """The body of the awaited response."""
    response = await waiter
    assert response is not None
    return await response.read()
