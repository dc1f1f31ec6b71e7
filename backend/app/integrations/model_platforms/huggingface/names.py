"""How models of the Hub are named here: `org/name`, then `@revision` and `:file` or `:quantisation` if need be.

A name that passes holds no `..` and begins no step with a dot: it is safe as a path, in an address and in print.
"""

import re

import msgspec

from app.domain.errors import InvalidRequest

_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
_REVISION = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,127}"
_STEP = r"[A-Za-z0-9_\[(][A-Za-z0-9_.,+()\[\] -]{0,199}"
_FILE = rf"{_STEP}(?:/{_STEP}){{0,7}}"
_NAME = re.compile(rf"(?P<repository>(?:{_PART}/)?{_PART})(?:@(?P<revision>{_REVISION}))?(?::(?P<file>{_FILE}))?")
_SAFE_FILE = re.compile(_FILE)


class Wanted(msgspec.Struct, frozen=True):
    """`file`: a file's path in the repository, or the name of a quantisation."""

    repository: str
    revision: str | None = None
    file: str | None = None


def read_name(name: str) -> Wanted:
    """Raises InvalidRequest."""
    found = _NAME.fullmatch(name)
    if found is None or ".." in name:
        raise InvalidRequest(
            "This names no model of the Hub: write 'hf:org/name', with '@revision' and ':file.gguf' or ':Q4_K_M' "
            "after it if need be.",
            param="model",
        )
    return Wanted(found["repository"], found["revision"], found["file"])


def safe(path: str) -> bool:
    """Whether what a server calls a file may become one here."""
    return _SAFE_FILE.fullmatch(path) is not None and ".." not in path
