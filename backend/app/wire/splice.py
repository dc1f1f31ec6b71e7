"""Exchanging the model's name in a body whose every other byte stays as it is."""

import re

import msgspec

from app.domain.exchange import Places
from app.wire.top_level import disguised, locate

_MODEL = re.compile(rb'"model"\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_LARGE = 16 * 1024


def splice(body: bytes, model: str, places: Places | None = None) -> bytes:
    """`body`, a JSON object with a string `model` at its top level, with that name exchanged for `model`.

    `body` has been through a format's `peek`, which may have found the `places`. `body` itself comes back when the
    name is the same.
    """
    start, end = _span(body) if places is None else places["model"]
    name = msgspec.json.encode(model)
    if body[start:end] == name:
        return body
    return b"".join((body[:start], name, body[end:]))


def _span(body: bytes) -> tuple[int, int]:
    """Where the model's name stands. The key that peek saw is the only one, if there is only one."""
    if len(body) < _LARGE and body.count(b'"model"') == 1 and not disguised(body):
        match = _MODEL.search(body)
        if match is not None:
            return match.span(1)
    return locate(body)["model"]
