"""The head of an answer on the hot path, as lines for the wire: so that one format writes many of them."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """They must be clean: nothing checks them."""
    return b"".join([b"%b: %b\r\n" % field for field in headers])


def headers_in(lines: bytes) -> Headers:
    """For whoever wants them one by one, such as ASGI."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]
