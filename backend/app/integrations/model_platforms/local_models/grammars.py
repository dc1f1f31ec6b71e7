"""Bounds on what llama.cpp makes a grammar of.

It turns schemas and patterns into rules without a limit of its own, and while it does, every answer of the model
waits and nothing can stop it: "(a*){30}" keeps it busy for minutes. So their size is bounded, and a pattern may
not repeat what can be empty. Patterns themselves are read in patterns.py.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.local_models.patterns import PatternTooCostly, check_pattern

# Bytes of JSON per field; tools come by the dozen.
MAX_BYTES = {"response_format": 65_536, "json_schema": 65_536, "tools": 131_072}


def check_grammars(fields: dict[str, Any]) -> None:
    """Raises InvalidRequest for what would take too long to prepare."""
    if fields.get("grammar"):
        raise UnsupportedFeature("Bare grammars are not supported: use 'response_format'.", param="grammar")
    for name, most in MAX_BYTES.items():
        value = fields.get(name)
        if value is None:
            continue
        size = len(msgspec.json.encode(value))
        if size > most:
            raise InvalidRequest(f"'{name}' takes {size} bytes; a local model can follow {most}.", param=name)
        for pattern in _patterns(value):
            try:
                check_pattern(pattern)
            except PatternTooCostly as reason:
                raise InvalidRequest(
                    f"A local model cannot follow a pattern here: {reason}.", param=name
                ) from None


def _patterns(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "pattern" and isinstance(inner, str):
                yield inner
            else:
                yield from _patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _patterns(inner)
