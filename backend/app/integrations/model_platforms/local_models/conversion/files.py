"""The small files that stand beside weights, read within bounds."""

import re
from pathlib import Path
from typing import TypeVar

import msgspec

from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError

T = TypeVar("T")

_LARGEST = 1 << 20
LARGEST_TOKENIZER = 64 << 20
_LICENSE = re.compile(r"---\n(?:.*\n)*?license:\s*['\"]?([\w.-]{1,64})")


def read_json(folder: Path, name: str, kind: type[T], *, largest: int = _LARGEST) -> T | None:
    """None where there is no such file. Raises ConversionError for one that is not of this `kind`."""
    told = read_text(folder, name, largest=largest)
    if told is None:
        return None
    try:
        return msgspec.json.decode(told, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        reason = str(error)[:200] if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise ConversionError(f"its {name} can't be used: {reason}") from None


def read_text(folder: Path, name: str, *, largest: int = _LARGEST) -> str | None:
    path = folder / name
    if not path.is_file():  # a pipe would be waited for
        return None
    if path.stat().st_size > largest:
        raise ConversionError(f"its {name} is larger than {largest >> 20} MiB")
    return path.read_text(encoding="utf-8", errors="replace")


def read_license(folder: Path) -> str | None:
    """As the head of README.md gives it on Hugging Face."""
    match = _LICENSE.match((read_text(folder, "README.md") or "")[:20_000])
    return match[1] if match else None
