"""Patterns of model names, in which a `*` stands for any text, also none.

Matching does not go back over what it has passed: callers choose both the patterns and the names.
"""

from functools import lru_cache


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of them does."""
    exact, split = _prepared(patterns)
    return name in exact or any(_fits(parts, name) for parts in split)


def covers(pattern: str, other: str) -> bool:
    """Whether `pattern` matches all that `other` does: a `*` of the one is only taken in by a `*` of the other."""
    return matches((pattern,), other)


@lru_cache(maxsize=4096)
def _prepared(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[list[str], ...]]:
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
    return exact, tuple(pattern.split("*") for pattern in patterns if "*" in pattern)


def _fits(parts: list[str], name: str) -> bool:
    """Each part is taken where it first comes: what fits anywhere fits there."""
    first, *middle, last = parts
    start, end = len(first), len(name) - len(last)
    if start > end or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in middle:
        found = name.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True
