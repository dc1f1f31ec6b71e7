"""Token counts. Here `input_tokens` is what neither came from a cache nor was written to one."""

from typing import Any

from app.domain.usage import Usage
from app.wire.anthropic_messages import FORMAT
from app.wire.fields import Fields, merge


def decode_usage(fields: Fields) -> Usage:
    fresh, output_tokens = fields.integer("input_tokens") or 0, fields.integer("output_tokens") or 0
    cached = fields.integer("cache_read_input_tokens") or 0
    written = fields.integer("cache_creation_input_tokens") or 0
    reasoning = 0
    if details := fields.child("output_tokens_details"):
        reasoning = details.count("thinking_tokens", 0)
        fields.prune("output_tokens_details")
    return Usage(
        input_tokens=fresh + cached + written,
        output_tokens=output_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        extensions=fields.extensions(FORMAT),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    known: dict[str, Any] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        known["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return merge(known, usage.extensions.get(FORMAT))
