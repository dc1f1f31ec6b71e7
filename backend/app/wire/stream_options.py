"""Asking an OpenAI-style stream for its usage, in a body whose every other byte stays as it is."""

import msgspec

from app.wire.top_level import disguised, locate

STREAM_OPTIONS = "stream_options"

_NAME = b'"stream_options"'
_ASKED = b'"stream_options":{"include_usage":true},'
_TRUE = msgspec.Raw(b"true")

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode


def ask_usage(body: bytes) -> bytes:
    """`body`, a JSON object that has been through a format's `peek`, with usage asked for. `body` itself comes
    back when it asks already.
    """
    span = locate(body).get(STREAM_OPTIONS) if _NAME in body or disguised(body) else None
    if span is None:
        start = body.index(b"{") + 1
        return b"".join((body[:start], _ASKED, body[start:]))
    start, end = span
    given = _decode(body[start:end]) or {}
    if given.get("include_usage") == _TRUE:
        return body
    return b"".join((body[:start], msgspec.json.encode({**given, "include_usage": _TRUE}), body[end:]))
