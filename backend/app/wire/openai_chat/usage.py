"""Token counts as every OpenAI format words them."""

from typing import Any

from app.domain.usage import Usage
from app.wire.fields import Fields, merge


def decode_usage(fields: Fields, format: str) -> Usage:
    """DeepSeek names cached tokens prompt_cache_hit_tokens; both names are read."""
    input_tokens = fields.integer("prompt_tokens") or 0
    output_tokens = fields.integer("completion_tokens") or 0
    if fields.rest.get("total_tokens") == input_tokens + output_tokens:
        del fields.rest["total_tokens"]
    cached, written = _take_details(fields, "prompt_tokens_details", "cached_tokens", "cache_write_tokens")
    (reasoning,) = _take_details(fields, "completion_tokens_details", "reasoning_tokens")
    hits = fields.rest.get("prompt_cache_hit_tokens")
    if not cached and type(hits) is int:
        cached = hits
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        extensions=fields.extensions(format),
    )


def _take_details(fields: Fields, name: str, *counts: str) -> list[int]:
    details = fields.child(name)
    if details is None:
        return [0] * len(counts)
    taken = [details.count(count, 0) for count in counts]
    fields.prune(name)
    return taken


def encode_usage(usage: Usage, format: str) -> dict[str, Any]:
    known: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    kept = usage.extensions.get(format, {})
    details = {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens}
    if set_details := {name: count for name, count in details.items() if count}:
        known["prompt_tokens_details"] = set_details
    if usage.reasoning_tokens:
        known["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if "total_tokens" in kept:
        known["total_tokens"] = kept["total_tokens"]
    return merge(known, kept)
