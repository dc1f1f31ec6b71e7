"""What kind of file it is, told by its first bytes: an extension promises nothing."""

from pathlib import Path
from typing import Literal

Format = Literal["gguf", "safetensors", "pytorch", "ggml"]

_HEAD = 9
_LONGEST_SAFETENSORS_HEADER = 100_000_000
_OLD = frozenset({b"lmgg", b"fmgg", b"tjgg", b"algg"})


def sniff(path: Path) -> Format | None:
    """None for what is no model. Raises OSError."""
    with path.open("rb") as file:
        return told_by(file.read(_HEAD))


def told_by(head: bytes) -> Format | None:
    if head[:4] == b"GGUF":
        return "gguf"
    if head[:4] in _OLD:
        return "ggml"
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return "pytorch"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_SAFETENSORS_HEADER:
        return "safetensors"
    return None
