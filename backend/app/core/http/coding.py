"""Undoing a content coding that we did not ask for. Every request says `accept-encoding: identity`."""

import zlib
from collections.abc import Iterator

from app.core.http.failures import garbled

_PIECE = 64 * 1024


def inflater(name: str, coding: str) -> "Inflater | None":
    """None for a body that is not coded. Raises ProviderProtocolError for a coding we do not know."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise garbled(name, "answered in a content coding that was not asked for.")
    return Inflater(name, raw_allowed=coding == "deflate")


class Inflater:
    """gzip, and deflate both with and without its zlib frame (servers disagree on which one it means)."""

    def __init__(self, name: str, *, raw_allowed: bool) -> None:
        self._name = name
        self._raw_allowed = raw_allowed
        self._stream = zlib.decompressobj(wbits=47)
        self._begun = False

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Pieces of at most 64 KiB, made as they are asked for, so a small body cannot swell unseen."""
        if not self._begun:
            self._begun = True
            if self._raw_allowed and received[0] & 0x0F != 8:
                self._stream = zlib.decompressobj(wbits=-15)
        pending = received
        while pending or not self._stream.eof:
            if self._stream.eof:
                raise garbled(self._name, "sent bytes after the end of its compressed answer.")
            try:
                piece = self._stream.decompress(pending, _PIECE)
            except zlib.error:
                raise garbled(self._name, "sent a compressed answer that cannot be read.") from None
            pending = self._stream.unconsumed_tail or self._stream.unused_data
            if piece:
                yield piece
            elif not pending:
                return

    def finish(self) -> None:
        """The body ended. Raises ProviderProtocolError when the coding did not."""
        if self._begun and not self._stream.eof:
            raise garbled(self._name, "sent a compressed answer that ends too early.")
