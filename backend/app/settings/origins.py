"""Where a setting stands (its path) and where its value came from (its origin)."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

FieldPath = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Origin(NamedTuple):
    """`where`: "llm-platform.yaml:12", "LLM_PLATFORM_PORT", "--port", or "" for a default."""

    source: Literal["default", "file", "environment", "command line"]
    where: str = ""


DEFAULT = Origin("default")


class Layer(NamedTuple):
    """What one source says: a tree of values, the origin of each of its nodes, and which of them are secret."""

    tree: dict[str, Any]
    origins: Mapping[FieldPath, Origin]
    secrets: frozenset[FieldPath] = frozenset()


def written(path: FieldPath) -> str:
    """`server.port`, `models.fast[0].target`, `models."llama3.1"`: the path as messages and `explain` show it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _PLAIN_KEY.fullmatch(part) else json.dumps(part))
    return text


def nodes(tree: Any, path: FieldPath) -> Iterator[FieldPath]:
    """`path` and the path of everything below it in `tree`, as far as the tree has them."""
    value = tree
    for part in path:
        value = value[part] if isinstance(value, dict) and part in value else None
    yield path
    yield from _below(value, path)


def _below(value: Any, path: FieldPath) -> Iterator[FieldPath]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*path, key)
        yield from _below(each, (*path, key))


def overlay(layers: list[Layer]) -> Layer:
    """One layer out of many, the later ones above. Mappings are merged, lists and plain values replaced whole."""
    tree: dict[str, Any] = {}
    origins: dict[FieldPath, Origin] = {}
    secrets: set[FieldPath] = set()
    for layer in layers:
        for path in _replaced(tree, layer.tree, ()):
            origins = {each: origin for each, origin in origins.items() if each[: len(path)] != path}
            secrets = {each for each in secrets if each[: len(path)] != path}
        tree = _merged(tree, layer.tree)
        origins.update(layer.origins)
        secrets |= layer.secrets
    return Layer(tree, origins, frozenset(secrets))


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _replaced(below: Mapping[str, Any], above: Mapping[str, Any], prefix: FieldPath) -> Iterator[FieldPath]:
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            yield from _replaced(old, value, (*prefix, key))
        elif key in below:
            yield (*prefix, key)
