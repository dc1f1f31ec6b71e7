"""Token counts as this format words them."""

from typing import Any

from app.domain.usage import Usage
from app.wire.fields import Fields, merge
from app.wire.openai_responses import FORMAT


def decode_usage(fields: Fields) -> Usage:
    input_tokens, output_tokens = fields.integer("input_tokens") or 0, fields.integer("output_tokens") or 0
    if fields.rest.get("total_tokens") == input_tokens + output_tokens:
        del fields.rest["total_tokens"]
    cached = written = reasoning = 0
    if details := fields.child("input_tokens_details"):
        cached, written = details.count("cached_tokens", 0), details.count("cache_write_tokens", 0)
    if details := fields.child("output_tokens_details"):
        reasoning = details.count("reasoning_tokens", 0)
    for name in ("input_tokens_details", "output_tokens_details"):
        inner = fields.rest.get(name) or {}
        fields.rest.pop(name, None)
        if left := {key: value for key, value in inner.items() if value not in (0, None)}:
            fields.rest[name] = left
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        extensions=fields.extensions(FORMAT),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Every count that the format requires stands there, also where it is 0."""
    known: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
    return merge(known, usage.extensions.get(FORMAT))
