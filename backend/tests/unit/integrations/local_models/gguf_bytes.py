"""GGUF files made by hand, so that each field can lie."""

import struct
from collections.abc import Sequence

Entry = tuple[str, int, bytes]
Tensor = tuple[str, tuple[int, ...], int, int]


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, value: str | int) -> Entry:
    return (key, 8, text(value)) if isinstance(value, str) else (key, 4, struct.pack("<I", value))


PLAIN = (
    entry("general.architecture", "llama"),
    entry("general.name", "Tiny"),
    entry("general.file_type", 7),
    entry("llama.context_length", 1024),
    ("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 2) + bytes(8)),
    entry("tokenizer.chat_template", "{{ messages }}{{ tools }}"),
)
WEIGHTS: tuple[Tensor, ...] = (("a", (4, 2), 0, 0), ("b", (32,), 8, 32))


def gguf(
    entries: Sequence[Entry] = PLAIN,
    tensors: Sequence[Tensor] = WEIGHTS,
    *,
    version: int = 3,
    entry_count: int | None = None,
    tensor_count: int | None = None,
    weights: int = 66,
) -> bytes:
    """`weights`: bytes of tensor data behind the header."""
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(entries) if entry_count is None else entry_count,
    )
    head = b"GGUF" + struct.pack("<IQQ", version, *counts)
    head += b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in entries)
    for name, dims, kind, offset in tensors:
        head += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        head += struct.pack("<IQ", kind, offset)
    return head + bytes(-len(head) % 32) + bytes(weights)
