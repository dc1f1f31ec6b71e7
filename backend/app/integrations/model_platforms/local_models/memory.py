"""How much memory there is for models, and how much one takes: an estimate, from its header."""

import os
import sys
from pathlib import Path

from app.integrations.model_platforms.local_models.gguf_header import GgufHeader

# Of what the machine, its container or its GPUs have. The rest is for others, and for what an estimate misses.
SHARE = 0.8
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# A cached number is of 16 bits, by default.
_CACHED_BYTES = 2
# Steps of work: activations and the scores of every token of the vocabulary, for as many tokens as a step has.
_STEP_TOKENS = 512
_FIXED = 32 << 20


def default_budget() -> int:
    """Bytes; without bounds where the system does not tell what it has."""
    told = [*_installed(), *_limits()]
    return int(SHARE * min(told)) if told else sys.maxsize


def estimate(header: GgufHeader, *, size: int, tokens: int) -> int:
    """Bytes that a model of `size` bytes takes with room for `tokens` in all of its slots together."""
    cached = _CACHED_BYTES * header.blocks * header.cached_width * tokens
    work = 4 * min(_STEP_TOKENS, tokens) * (header.vocabulary + 8 * header.width)
    return size + cached + work + _FIXED


def _installed() -> list[int]:
    if not hasattr(os, "sysconf"):
        return []
    return [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]


def _limits() -> list[int]:
    """What the container may take, where it says so."""
    found = []
    for path in _CGROUPS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # none there, or "max"
            continue
    return found
