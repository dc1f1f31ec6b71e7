"""What all lines of the log have in common: a time, harmless characters, no secrets, whether they are JSON or for
people.
"""

import json
import sys
import time
from typing import Any, Literal

import msgspec

from app.core.redaction import redact

Format = Literal["auto", "text", "json"]


def writes_json(wanted: Format) -> bool:
    """`auto`: text for people at a terminal, else JSON."""
    return not sys.stderr.isatty() if wanted == "auto" else wanted == "json"


def printable(text: str) -> str:
    """What is not printable is escaped: a model's name with a newline in it must not forge a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def json_line(value: object) -> str:
    """JSON escapes newlines; what else a terminal might obey is escaped here."""
    text = msgspec.json.encode(value).decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def without_secrets(lines: str) -> str:
    """`lines`: as `json_line` made them. They are taken out of the texts within, which are what secrets look like:
    in JSON a quote before or after one is escaped, and what is cut out along with half of that leaves no JSON.
    """
    unquoted = lines.replace('\\"', '"')
    if redact(lines) == lines and (unquoted is lines or redact(unquoted) == unquoted):
        return lines
    return "".join(f"{json_line(_cleaned(json.loads(line)))}\n" for line in lines.split("\n") if line)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return {name: _cleaned(each) for name, each in value.items()} if isinstance(value, dict) else value


class Stamp:
    """Times as they stand in lines; the date and the time to the second are worked out once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._local = self._utc = ""

    def local(self, at: float) -> str:
        self._look(int(at))
        return f"{self._local},{int(at * 1000) % 1000:03d}"

    def utc(self, at: float) -> str:
        """RFC 3339."""
        self._look(int(at))
        return f"{self._utc}.{int(at * 1000) % 1000:03d}Z"

    def _look(self, second: int) -> None:
        if second != self._second:
            self._second = second
            self._local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
