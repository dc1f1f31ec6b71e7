"""What a safetensors file says of itself, read without trusting a word of it:
https://github.com/huggingface/safetensors

A header's length, in eight bytes; the header, in JSON; the bytes of the tensors, one after the other, without a
gap.
"""

import math
import os
from pathlib import Path

import msgspec

from app.integrations.model_platforms.local_models.conversion.tensors import (
    ELEMENTS,
    MAX_DIMENSIONS,
    ConversionError,
    Tensor,
)

_LENGTH_BYTES = 8
# The format allows 100 MB; a hundred thousand tensors take less than this.
_LONGEST_HEADER = 16 << 20


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises ConversionError for what is no sound safetensors file, OSError for what cannot be read. Blocks."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        start = _LENGTH_BYTES + length
        if size < _LENGTH_BYTES or start > size:
            raise ConversionError(
                f"it claims a header of {length} bytes, and has {size} in all: it may be cut short"
            )
        if length > _LONGEST_HEADER:
            raise ConversionError(f"its header takes more than {_LONGEST_HEADER >> 20} MiB, which makes no sense")
        header = file.read(length)
    entries = _entries(header)
    _check_gapless(entries, size - start)
    return {
        name: Tensor(
            path=path, offset=start + entry.data_offsets[0], element=entry.dtype, shape=tuple(entry.shape)
        )
        for name, entry in entries.items()
    }


def _entries(header: bytes) -> dict[str, _Entry]:
    try:
        told = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        told.pop("__metadata__", None)
        entries = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in told.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ConversionError("its header is not what safetensors has") from None
    for name, entry in entries.items():
        _check(name[:200], entry)
    return entries


def _check(name: str, entry: _Entry) -> None:
    size = ELEMENTS.get(entry.dtype)
    if size is None:
        raise ConversionError(f"the tensor '{name}' has the unknown type '{entry.dtype[:20]}'")
    if len(entry.shape) > MAX_DIMENSIONS or any(side < 0 for side in entry.shape):
        raise ConversionError(f"the tensor '{name}' has a shape that makes no sense")
    start, end = entry.data_offsets
    if end - start != math.prod(entry.shape) * size:
        raise ConversionError(
            f"the tensor '{name}' takes {end - start} bytes, which does not fit its shape and type"
        )


def _check_gapless(entries: dict[str, _Entry], room: int) -> None:
    """No byte belongs to two tensors or to none, and the last one ends with the file."""
    at = 0
    for start, end in sorted(entry.data_offsets for entry in entries.values()):
        if start != at:
            raise ConversionError("its tensors overlap, or leave a gap")
        at = end
    if at != room:
        raise ConversionError(f"its tensors end at byte {at} of its data, which has {room}: it may be cut short")
