"""The tables of the wire tests: JSON files of named cases in data/."""

import json
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).parent / "data"


def cases(file: str) -> Any:
    """Each case of data/`file`.json as a parameter, under its name."""
    table = json.loads((_DATA / f"{file}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in table]


def frames(chunks: list[Any], end: str = "\n\n") -> bytes:
    """Stream frames: an object is a chunk's JSON, a text stands in its frame as it is."""
    return b"".join(
        f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}{end}".encode() for chunk in chunks
    )
