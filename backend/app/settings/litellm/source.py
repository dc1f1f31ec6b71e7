"""A LiteLLM document while it is translated: its values in our notation, their places, and what is to be told.

`os.environ/NAME` is `${NAME}` from here on, so that it stays a reference. Nothing here knows what a name means.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.settings.litellm.vocabulary import Vocabulary
from app.settings.origins import DEFAULT, FieldPath, Layer, Origin, written
from app.settings.problems import Problem

_PREFIX = "os.environ/"
_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Note(NamedTuple):
    """Something that a person is to be told, and the part of our settings that it is about; () for all of them."""

    problem: Problem
    about: FieldPath = ()


class Given(NamedTuple):
    """A value with its place in the LiteLLM document."""

    value: Any
    path: FieldPath


def in_our_notation(value: Any) -> Any:
    """`value` with `${NAME}` for `os.environ/NAME`; LiteLLM takes a `${` for what it is."""
    if isinstance(value, dict):
        return {key: in_our_notation(each) for key, each in value.items()}
    if isinstance(value, list):
        return [in_our_notation(each) for each in value]
    if isinstance(value, str):
        name = value.removeprefix(_PREFIX)
        return f"${{{name}}}" if name != value else value.replace("${", "$${")
    return value


def from_environment(value: Any, environ: Mapping[str, str]) -> Any:
    """What `os.environ/NAME` stands for, None where NAME is not set; any other value is itself."""
    name = value.removeprefix(_PREFIX) if isinstance(value, str) else value
    return value if name == value else environ.get(name)


def variable(value: object) -> str | None:
    """NAME, where `value` is `${NAME}` and nothing else."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


class Source:
    """What cannot be used is added to `problems`, what is left out to `notes`. `variables`: what the document
    itself sets; they are a part of `environ` from here on.
    """

    def __init__(
        self, layer: Layer, environ: Mapping[str, str], variables: Mapping[str, str], problems: list[Problem]
    ) -> None:
        self._layer = layer
        self._tree = in_our_notation(layer.tree)
        self._problems = problems
        self.environ = {**environ, **variables}
        self.variables = variables
        self.notes: list[Note] = []

    def origin(self, path: FieldPath) -> Origin:
        while path and path not in self._layer.origins:
            path = path[:-1]
        return self._layer.origins.get(path, DEFAULT)

    def tell(self, path: FieldPath, message: str, about: FieldPath = ()) -> None:
        self.notes.append(Note(Problem(self.origin(path).where, written(path), message), about))

    def refuse(self, path: FieldPath, message: str) -> None:
        self._problems.append(Problem(self.origin(path).where, written(path), message))

    def find(self, path: FieldPath) -> Any:
        """The value at `path`; None where there is none."""
        value = self._tree
        for part in path:
            if isinstance(part, str):
                value = value.get(part) if isinstance(value, dict) else None
            else:
                value = value[part] if isinstance(value, list) and part < len(value) else None
        return value

    def given(self, path: FieldPath) -> Given | None:
        value = self.find(path)
        return None if value is None else Given(value, path)

    def mapping(self, path: FieldPath) -> dict[str, Given]:
        """What stands below `path`, keys without a value left out; nothing where nothing is."""
        value = self.find(path)
        if value is not None and not isinstance(value, dict):
            self.refuse(path, "must be a mapping")
        pairs = value.items() if isinstance(value, dict) else ()
        return {key: Given(each, (*path, key)) for key, each in pairs if each is not None}

    def sequence(self, path: FieldPath) -> list[Given]:
        """As `mapping`."""
        value = self.find(path)
        if value is not None and not isinstance(value, list):
            self.refuse(path, "must be a list")
        return [Given(each, (*path, at)) for at, each in enumerate(value if isinstance(value, list) else ())]

    def section(self, path: FieldPath, vocabulary: Vocabulary, about: FieldPath = ()) -> dict[str, Given]:
        """`mapping`, with what is left out of it told."""
        found = self.mapping(path)
        for name, given in found.items():
            if message := vocabulary.told(name):
                self.tell(given.path, message, about)
        return found

    def resolved(self, text: str) -> str:
        """`text` with its references replaced as far as they are set: for a look at it, never for the settings."""
        return _REFERENCE.sub(lambda match: self.environ.get(match[1], ""), text).replace("$${", "${")

    def text(self, given: Given | None) -> str | None:
        if given is None or isinstance(given.value, str):
            return given.value if given else None
        self.refuse(given.path, "must be text")
        return None

    def settled(self, path: FieldPath) -> Given | None:
        """The text at `path` for good, which must be there: what names a model cannot stay a reference."""
        given = self.given(path)
        if given is not None and not isinstance(given.value, str):
            self.refuse(path, "must be text")
            return None
        name = variable(given.value) if given else None
        text = self.resolved(given.value) if given else ""
        if not text:
            self.refuse(path, f"the environment variable {name} is not set" if name else "is required")
            return None
        return Given(text, path)

    def number(self, given: Given | None) -> float | None:
        """Also of text such as 1e-6, which YAML does not take for a number, and of a reference."""
        if given is None:
            return None
        name = variable(given.value)
        if name and not self.environ.get(name):
            self.refuse(given.path, f"the environment variable {name} is not set")
            return None
        value = self.resolved(given.value) if isinstance(given.value, str) else given.value
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            self.refuse(given.path, "must be a number")
            return None
        return number

    def switch(self, given: Given | None) -> bool:
        value = given.value if given else False
        if isinstance(value, str):
            return self.resolved(value).strip().lower() in {"true", "1", "yes", "on"}
        return bool(value)
