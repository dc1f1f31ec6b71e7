"""How it is written down what becomes of each thing that a LiteLLM file may say. The tables: parameters, sections.

A pattern is a name in which `*` stands for any letters; several are separated by blanks, and the first table row
that fits counts.
"""

import difflib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

Rows = tuple[tuple[str, str], ...]


class Vocabulary(NamedTuple):
    """The names of one place of the file.

    `becomes`: what a name is translated into, in the words of our settings. `harmless`: what may be left out, as
    nothing is lost, and why. `missing`: what is told because it is left out, and what to do instead. `free`: what
    to say of any other name, where people may have names of their own.
    """

    becomes: Mapping[str, str]
    harmless: Rows = ()
    missing: Rows = ()
    free: str = ""

    def told(self, name: str) -> str | None:
        """What to tell about `name`; None where there is nothing to tell."""
        if name in self.becomes or _row(self.harmless, name) is not None:
            return None
        advice = _row(self.missing, name)
        if advice is not None:
            return f"is left out: {advice}"
        close = difflib.get_close_matches(name, list(self.names()), n=1, cutoff=0.75)
        meant = f"; did you mean {close[0]!r}?" if close else self.free and f": {self.free}"
        return f"unknown field {name!r}{meant}"

    def names(self) -> Iterator[str]:
        """Those that are known by more than a pattern."""
        yield from self.becomes
        for patterns, _ in (*self.harmless, *self.missing):
            yield from (each for each in patterns.split() if "*" not in each)


def _row(rows: Rows, name: str) -> str | None:
    return next(
        (text for patterns, text in rows if any(fnmatchcase(name, each) for each in patterns.split())), None
    )
