"""What stands under a key: whose turn it is, then what was answered. As bytes and back."""

from collections.abc import Sequence

import msgspec

from app.domain.errors import (
    ContentRefused,
    ContextLengthExceeded,
    InvalidRequest,
    PayloadTooLarge,
    PlatformError,
    UnsupportedFeature,
)
from app.domain.events import StreamEvent
from app.inference.caching import kept

Known = Sequence[StreamEvent] | PlatformError

_REFUSALS: dict[str, type[PlatformError]] = {
    each.__name__: each
    for each in (InvalidRequest, ContextLengthExceeded, ContentRefused, UnsupportedFeature, PayloadTooLarge)
}
"""What the same request would be told again, whoever asks and whenever."""


class Refusal(msgspec.Struct, frozen=True):
    """An error of the class `name`."""

    name: str
    message: str
    code: str | None
    param: str | None
    provider: str | None


class Entry(msgspec.Struct, frozen=True):
    """`fingerprint`: of the request. `token`: whose turn it is; empty once there is an answer or a refusal."""

    fingerprint: bytes
    token: str = ""
    answer: bytes | None = None
    refusal: Refusal | None = None

    def known(self) -> Known | None:
        """What was answered; None where it is still under way, or nothing that can be read."""
        if self.refusal is not None:
            return _error(self.refusal)
        return None if self.answer is None else kept.decode(self.answer)


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Entry)


def decode(value: bytes) -> Entry | None:
    """None where it is nothing that this version wrote."""
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        return None


def refusal_of(error: PlatformError) -> Refusal | None:
    """None for one that may pass."""
    name = type(error).__name__
    if name not in _REFUSALS:
        return None
    return Refusal(name, error.message, error.code, error.param, error.provider)


def _error(refusal: Refusal) -> PlatformError | None:
    cls = _REFUSALS.get(refusal.name)
    if cls is None:
        return None
    error = cls(refusal.message, code=refusal.code, param=refusal.param, provider=refusal.provider)
    error.replayed = True
    return error
