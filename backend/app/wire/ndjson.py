"""Lines of JSON: cutting a byte stream at its line ends. What stands on a line is the format's matter."""

from app.domain.errors import ProviderProtocolError

MAX_LINE_BYTES = 16 * 1024 * 1024


class LineSplitter:
    """Gives whole lines, without their ends; blank ones are left out.

    Raises ProviderProtocolError when one line is larger than `limit` bytes.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._keep(chunk)
            return []
        if end == len(chunk) and not self._pending:
            return _lines(chunk)
        run = bytes(self._pending) + chunk[:end]
        self._pending.clear()
        self._keep(chunk[end:])
        return _lines(run)

    def flush(self) -> list[bytes]:
        """The last line, if the stream ended without a line end."""
        run = bytes(self._pending)
        self._pending.clear()
        return _lines(run)

    def _keep(self, piece: bytes) -> None:
        self._pending += piece
        if len(self._pending) > self._limit:
            raise ProviderProtocolError(f"The provider sent a line of more than {self._limit:,} bytes.")


def _lines(run: bytes) -> list[bytes]:
    return [line for part in run.split(b"\n") if (line := part.strip(b" \t\r"))]
