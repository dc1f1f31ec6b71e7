"""Names with a `*`, which stands for one or more characters."""

import re


def glob(pattern: str) -> re.Pattern[str]:
    """What each `*` stood for is a group."""
    return re.compile("(.+)".join(map(re.escape, pattern.split("*"))))


def telling(pattern: str) -> int:
    """How much it says: of two that fit, the one that says more counts."""
    return len(pattern) - pattern.count("*")
