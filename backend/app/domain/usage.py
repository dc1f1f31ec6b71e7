"""What an answer cost in tokens."""

from typing import Any

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts. `input_tokens` includes `cached_tokens` and `cache_write_tokens`; `output_tokens` includes
    `reasoning_tokens`. `estimated` marks counts of ours where the provider gave none.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    extensions: dict[str, dict[str, Any]] = {}

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens
