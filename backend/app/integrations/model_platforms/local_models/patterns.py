"""What a regular expression would cost as a grammar: read, never run."""

import re

MAX_CHARS = 1_000
MAX_DEPTH = 20
# How many copies of a part its counts may ask for, multiplied over the whole pattern.
MAX_COPIES = 40_000
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_GROUP_OPENING = re.compile(r"\((\?:|\?=|\?!|\?<=|\?<!|\?P?<\w+>)?")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


class PatternTooCostly(Exception):
    """The message says why."""


def check_pattern(pattern: str) -> None:
    """Raises PatternTooCostly."""
    if len(pattern) > MAX_CHARS:
        raise PatternTooCostly(f"it is longer than {MAX_CHARS} characters")
    scan = _Scan(pattern)
    scan.choices(0)
    if scan.at < len(pattern):
        raise PatternTooCostly("its brackets do not match")


class _Scan:
    """One walk over a pattern. The methods return the least number of characters that a part can match."""

    def __init__(self, pattern: str) -> None:
        self.at = 0
        self._pattern = pattern
        self._copies = 1

    def choices(self, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise PatternTooCostly(f"its groups stand more than {MAX_DEPTH} deep")
        widths = [self._sequence(depth)]
        while self._next() == "|":
            self.at += 1
            widths.append(self._sequence(depth))
        return min(widths)

    def _sequence(self, depth: int) -> int:
        width = 0
        while self._next() not in ("", "|", ")"):
            width += self._quantified(self._atom(depth))
        return width

    def _atom(self, depth: int) -> int:
        if opening := _GROUP_OPENING.match(self._pattern, self.at):
            self.at = opening.end()
            width = self.choices(depth + 1)
            if self._next() != ")":
                raise PatternTooCostly("its brackets do not match")
            self.at += 1
            return width
        bracketed = _CLASS.match(self._pattern, self.at)
        first = self._next()
        if bracketed:
            self.at = bracketed.end()
        else:
            self.at += 2 if first == "\\" else 1
        return 0 if first in "^$" else 1

    def _quantified(self, width: int) -> int:
        found = _QUANTIFIER.match(self._pattern, self.at)
        if found is None:
            return width
        self.at = found.end()
        if self._next() == "?":
            # A reluctant quantifier matches the same texts.
            self.at += 1
        if _QUANTIFIER.match(self._pattern, self.at):
            raise PatternTooCostly("two quantifiers follow each other")
        least, most = _bounds(found)
        if width == 0 and most > 1:
            raise PatternTooCostly("it repeats what may be empty")
        self._copies *= max(1, least, 0 if most == _ENDLESS else most)
        if self._copies > MAX_COPIES:
            raise PatternTooCostly("its counts are too high")
        return width * least

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]


_ENDLESS = 1 << 30
_SIGNS = {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}


def _bounds(found: re.Match[str]) -> tuple[int, int]:
    """The least and the greatest number of repetitions. Digits beyond a handful are too many whatever they say."""
    if found[0] in _SIGNS:
        return _SIGNS[found[0]]
    least = int(found[1][:6] or 0)
    if not found[2]:
        return least, least
    return least, int(found[3][:6]) if found[3] else _ENDLESS
