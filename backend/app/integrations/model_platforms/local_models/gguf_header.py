"""What a GGUF file says of itself, read without trusting a word of it.

Every count, length and offset is checked against the size of the file before it is used, and little more than the
wanted values is ever held in memory. Nothing here maps a file or looks at weights: a file that passes may still be
one that llama.cpp cannot run. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.integrations.model_platforms.local_models.gguf_types import (
    ARRAY,
    FILE_TYPES,
    SCALARS,
    STRING,
    TENSOR_BLOCKS,
)

MAGIC = b"GGUF"
MAX_NAME = 65_535
MAX_KEPT_STRING = 1 << 20
# Several times what the largest vocabularies take. Longer ones would only cost memory and time: a sparse file can
# claim terabytes.
MAX_HEADER = 64 << 20
MAX_DIMENSIONS = 4
# Smallest possible entries: they bound the counts that a header may claim.
MIN_METADATA_BYTES = 8 + 4 + 1
MIN_TENSOR_BYTES = 8 + 4 + 4 + 8

Scalar = int | float | bool | str
_KEPT = frozenset(
    {
        "general.alignment",
        "general.architecture",
        "general.file_type",
        "general.license",
        "general.name",
        "general.type",
        "tokenizer.chat_template",
    }
)
_KEPT_ENDINGS = (
    ".context_length",
    ".pooling_type",
    ".block_count",
    ".embedding_length",
    ".attention.head_count",
    ".attention.head_count_kv",
    ".attention.key_length",
    ".attention.value_length",
)
_TOKENS = "tokenizer.ggml.tokens"
_RANKING_POOL = 4


class GgufError(Exception):
    """The file is not a sound GGUF file. The message says what is wrong, without the file's path."""


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """`architecture` is empty in the later parts of a split file. `kind` is general.type: model, adapter…
    `context_length` in tokens. `parameters`: elements of all tensors. `pooling`: the file says how its tokens'
    vectors become one, as embedding models do; `ranks`: they become a score. `blocks`: layers. `width`: of what
    goes through them. `cached_width`: numbers that a layer keeps of each token. `vocabulary`: tokens that it
    knows.
    """

    version: int
    architecture: str
    kind: str = "model"
    name: str | None = None
    context_length: int | None = None
    quantization: str | None = None
    chat_template: str | None = None
    pooling: bool = False
    ranks: bool = False
    parameters: int = 0
    license: str | None = None
    blocks: int = 0
    width: int = 0
    cached_width: int = 0
    vocabulary: int = 0


def read_header(path: Path) -> GgufHeader:
    """Raises GgufError for what is no sound GGUF file, OSError for what cannot be read. Blocks."""
    with path.open("rb") as file:
        return parse_header(file, os.fstat(file.fileno()).st_size)


def parse_header(file: BinaryIO, size: int) -> GgufHeader:
    """`file` stands at its start and can seek; `size` in bytes. Raises GgufError."""
    return _Reader(file, size).header()


class _Reader:
    """Walks the header once, from its start. `size` is the length of the whole file in bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0

    def header(self) -> GgufHeader:
        version = self._version()
        tensors = self._count("tensors", MIN_TENSOR_BYTES)
        entries = self._count("metadata entries", MIN_METADATA_BYTES)
        kept: dict[str, Scalar] = {}
        for _ in range(entries):
            self._metadata(kept)
        parameters = self._tensors(tensors, _alignment(kept))
        return _header(version, kept, parameters)

    def _version(self) -> int:
        if self._take(4, "the magic") != MAGIC:
            raise GgufError("it does not begin with the GGUF magic")
        version = self._number("<I", "the version")
        if version not in (2, 3):
            swapped = int.from_bytes(int(version).to_bytes(4, "little"), "big")
            cause = "is big-endian" if swapped in (2, 3) else f"has GGUF version {version}"
            raise GgufError(f"it {cause}; versions 2 and 3, little-endian, can be read")
        return int(version)

    def _count(self, what: str, smallest: int) -> int:
        count = int(self._number("<Q", f"the number of {what}"))
        if count * smallest > self._size - self._at:
            raise GgufError(f"it claims {count} {what}, more than its {self._size} bytes can hold")
        return count

    def _metadata(self, kept: dict[str, Scalar]) -> None:
        key = self._string("a metadata key", MAX_NAME)
        kind = int(self._number("<I", f"the type of '{key}'"))
        if key == _TOKENS and kind == ARRAY:
            kept[key] = self._skip_array(key)
        elif key in _KEPT or key.endswith(_KEPT_ENDINGS):
            value = self._value(key, kind)
            if value is not None:
                kept[key] = value
        else:
            self._skip_value(key, kind)

    def _value(self, key: str, kind: int) -> Scalar | None:
        if kind == STRING:
            return self._string(f"the value of '{key}'", MAX_KEPT_STRING)
        if kind in SCALARS:
            return self._number(SCALARS[kind], f"the value of '{key}'")
        self._skip_value(key, kind)
        return None

    def _skip_value(self, key: str, kind: int) -> None:
        if kind == ARRAY:
            self._skip_array(key)
        else:
            self._skip_items(key, kind, 1)

    def _skip_array(self, key: str) -> int:
        """How many items it has."""
        item = int(self._number("<I", f"the type of the items of '{key}'"))
        count = self._count(f"items of '{key}'", 1)
        self._skip_items(key, item, count)
        return count

    def _skip_items(self, key: str, kind: int, count: int) -> None:
        if kind == STRING:
            what = f"a string of '{key}'"
            for _ in range(count):
                self._skip(int(self._number("<Q", what)), what)
        elif kind in SCALARS:
            self._skip(count * struct.calcsize(SCALARS[kind]), f"the values of '{key}'")
        else:
            raise GgufError(f"the metadata entry '{key}' has the unknown type {kind}")

    def _tensors(self, count: int, alignment: int) -> int:
        """The number of parameters. Raises when a tensor would lie beyond the end of the file."""
        parameters, furthest, last = 0, 0, ""
        for _ in range(count):
            name = self._string("a tensor's name", MAX_NAME)
            elements, kind, offset = self._tensor_shape(name)
            if offset % alignment:
                raise GgufError(f"the tensor '{name}' does not begin at a multiple of {alignment} bytes")
            end = offset + _tensor_bytes(name, elements, kind)
            parameters += elements
            if end > furthest:
                furthest, last = end, name
        start = -(-self._at // alignment) * alignment
        end = start + furthest
        if end > self._size:
            raise GgufError(f"it is cut short: the tensor '{last}' ends at byte {end}, the file at {self._size}")
        return parameters

    def _tensor_shape(self, name: str) -> tuple[int, int, int]:
        what = f"the tensor '{name}'"
        dimensions = int(self._number("<I", what))
        if dimensions > MAX_DIMENSIONS:
            raise GgufError(f"{what} has {dimensions} dimensions")
        elements = math.prod(int(self._number("<Q", what)) for _ in range(dimensions))
        return elements, int(self._number("<I", what)), int(self._number("<Q", what))

    def _string(self, what: str, longest: int) -> str:
        length = int(self._number("<Q", what))
        if length > longest:
            raise GgufError(f"{what} claims {length} bytes; at most {longest} make sense")
        return self._take(length, what).decode("utf-8", "replace")

    def _number(self, layout: str, what: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(layout, self._take(struct.calcsize(layout), what))[0]
        return value

    def _take(self, count: int, what: str) -> bytes:
        self._within(count, what)
        found = self._file.read(count)
        if len(found) != count:
            raise GgufError(f"it ends within {what}")
        self._at += count
        return found

    def _skip(self, count: int, what: str) -> None:
        self._within(count, what)
        self._file.seek(count, 1)
        self._at += count

    def _within(self, count: int, what: str) -> None:
        if count > self._size - self._at:
            raise GgufError(f"{what} would take {count} bytes, and {self._size - self._at} are left in the file")
        if self._at + count > MAX_HEADER:
            raise GgufError(f"its header takes more than {MAX_HEADER >> 20} MiB, which makes no sense")


def _tensor_bytes(name: str, elements: int, kind: int) -> int:
    """At least so many bytes; a type that is newer than our table is given the least that it can be."""
    block, size = TENSOR_BLOCKS.get(kind, (256, 1))
    if elements % block and kind in TENSOR_BLOCKS:
        raise GgufError(f"the tensor '{name}' is no whole number of blocks")
    return -(-elements // block) * size


def _alignment(kept: dict[str, Scalar]) -> int:
    alignment = kept.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
        raise GgufError(f"its alignment of {alignment} makes no sense")
    return alignment


def _header(version: int, kept: dict[str, Scalar], parameters: int) -> GgufHeader:
    architecture = _text(kept, "general.architecture") or ""
    file_type = _natural(kept, "general.file_type")
    pooling = _natural(kept, f"{architecture}.pooling_type")
    return GgufHeader(
        version=version,
        architecture=architecture[:64],
        kind=_text(kept, "general.type") or "model",
        name=_text(kept, "general.name"),
        context_length=_natural(kept, f"{architecture}.context_length"),
        quantization=None if file_type is None else FILE_TYPES.get(file_type),
        chat_template=_text(kept, "tokenizer.chat_template"),
        pooling=bool(pooling),
        ranks=pooling == _RANKING_POOL,
        parameters=parameters,
        license=_text(kept, "general.license"),
        blocks=_natural(kept, f"{architecture}.block_count") or 0,
        width=_natural(kept, f"{architecture}.embedding_length") or 0,
        cached_width=_cached_width(kept, architecture),
        vocabulary=_natural(kept, _TOKENS) or 0,
    )


def _cached_width(kept: dict[str, Scalar], architecture: str) -> int:
    """Keys and values of all heads that have some. Where the heads are told layer by layer, those of the
    queries.
    """
    heads = _natural(kept, f"{architecture}.attention.head_count") or 1
    size = (_natural(kept, f"{architecture}.embedding_length") or 0) // heads
    keys = _natural(kept, f"{architecture}.attention.key_length") or size
    values = _natural(kept, f"{architecture}.attention.value_length") or size
    return (_natural(kept, f"{architecture}.attention.head_count_kv") or heads) * (keys + values)


def _text(kept: dict[str, Scalar], key: str) -> str | None:
    value = kept.get(key)
    return value if isinstance(value, str) else None


def _natural(kept: dict[str, Scalar], key: str) -> int | None:
    value = kept.get(key)
    return value if isinstance(value, int) and value >= 0 else None
