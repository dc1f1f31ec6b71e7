"""A tensor as a file has it: where its bytes are, and how they are to be read. No bytes are read here."""

from pathlib import Path

import msgspec

MAX_DIMENSIONS = 8


class ConversionError(Exception):
    """The model can't be converted. The message says why, and names no path; it is written for the operator."""


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """`offset`: of its first byte in the file. `element`: safetensors' name of its type. `strides`: in elements,
    where they are not those of a dense array in C's order.
    """

    path: Path
    offset: int
    element: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None


# Bytes of an element.
ELEMENTS = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
# Those that weights can be read from.
WEIGHTS = frozenset({"F16", "BF16", "F32", "F64"})
