"""`${NAME}` and `${NAME:-default}` in the text values of a file, replaced from the environment. `$${` stays `${`.

A replaced value is never read as YAML again, so nothing in the environment can change the file's structure.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.settings.origins import FieldPath, Layer, written
from app.settings.problems import Problem
from app.settings.redaction import is_secret_name

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")


def substitute(layer: Layer, environ: Mapping[str, str], problems: list[Problem]) -> Layer:
    """`layer` with every reference replaced; values from variables with a secret's name are marked as secret.

    An empty variable counts as unset. References that cannot be replaced stay, and are added to `problems`.
    """
    replacer = _Replacer(layer, environ, problems)
    tree = {key: replacer.replaced(value, (key,)) for key, value in layer.tree.items()}
    return Layer(tree, layer.origins, layer.secrets | replacer.secrets)


class _Replacer:
    def __init__(self, layer: Layer, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._layer = layer
        self._environ = environ
        self._problems = problems
        self.secrets: set[FieldPath] = set()

    def replaced(self, value: Any, path: FieldPath) -> Any:
        if isinstance(value, dict):
            return {key: self.replaced(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self.replaced(each, (*path, index)) for index, each in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return _REFERENCE.sub(lambda match: self._text(match, path), value)
        return value

    def _text(self, match: re.Match[str], path: FieldPath) -> str:
        name = match["name"]
        if name is None:
            if match[0] == "$${":
                return "${"
            self._problem(path, "has a '${' that is no ${NAME} or ${NAME:-default}; write $${ for the characters")
            return match[0]
        if is_secret_name(name):
            self.secrets.add(path)
        found = self._environ.get(name) or match["default"]
        if found is None:
            self._problem(path, f"the environment variable {name} is not set")
            return match[0]
        return found

    def _problem(self, path: FieldPath, message: str) -> None:
        self._problems.append(Problem(self._layer.origins[path].where, written(path), message))
