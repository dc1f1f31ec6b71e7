"""One request as a provider is handed it."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")

HOPS_HEADER = "x-llm-hops"
"""Tells a platform behind this one how many a request has passed, so that no request goes in circles for ever."""


Places = Mapping[str, tuple[int, int]]
"""Each member of a JSON object, and where its value begins and ends in the object's bytes."""

Splice = Callable[[bytes, str, Places | None], bytes]


class Encoded(msgspec.Struct, frozen=True):
    """A request in the bytes it came in. `splice(body, model, places)` returns them with the model's name
    exchanged.

    `headers` belong to the format, such as its version; a provider that speaks it sends them on. `places`: of the
    members of `body`, if it was looked through for them; of a long one, nobody should have to do that again.
    """

    format: str
    body: bytes
    splice: Splice
    headers: tuple[tuple[str, str], ...] = ()
    places: Places | None = None

    def holding(self, body: bytes) -> "Encoded":
        """The same with another body."""
        return msgspec.structs.replace(self, body=body, places=None)


class Exchange(Generic[R]):
    """A request on its way to one provider.

    `model` is the provider's own name for the model. `encoded` is set when the request came in a wire format;
    a provider that speaks that format sends `body_as(format)` on and answers in Opaque events. `request` is the
    domain value, decoded on first use, so same-format traffic never pays for it.
    `request_id` may be sent upstream. `hops`: how many platforms the request passed before this one. `trace`: the
    headers that tell the upstream which trace it belongs to. `dropped`: the provider notes here which fields it
    had to leave out; whoever asks why an answer is as it is will be told.
    """

    __slots__ = ("_decode", "_request", "dropped", "encoded", "hops", "model", "request_id", "stream", "trace")

    def __init__(
        self,
        *,
        model: str,
        decode: Callable[[], R],
        encoded: Encoded | None = None,
        stream: bool = False,
        request_id: str = "",
        hops: int = 0,
        trace: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.model = model
        self.encoded = encoded
        self.stream = stream
        self.request_id = request_id
        self.hops = hops
        self.trace = trace
        self.dropped: list[str] = []
        self._decode = decode
        self._request: R | None = None

    @property
    def request(self) -> R:
        """The decoded request, its `model` still the name the caller used. Raises InvalidRequest."""
        if self._request is None:
            self._request = self._decode()
        return self._request

    def body_as(self, format: str) -> bytes | None:
        """The caller's own bytes with `model` in place, if they are in `format`; else None."""
        encoded = self.encoded
        if encoded is None or encoded.format != format:
            return None
        return encoded.splice(encoded.body, self.model, encoded.places)
