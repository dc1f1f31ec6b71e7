"""LiteLLM's `include`: other files whose contents are joined to the one that names them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.settings.origins import FieldPath, Layer, Origin, written
from app.settings.problems import ConfigError, Problem

MAX_FILES = 64

Read = Callable[[Path], Layer]


def with_includes(layer: Layer, path: Path, read: Read) -> Layer:
    """`layer`, the document of the file at `path`, with those that it includes: lists are joined and everything
    else is replaced. Each file counts once; a name is relative to the file that has it. Raises ConfigError.
    """
    return _joined(layer, path, read, {path.resolve()})


def _joined(layer: Layer, path: Path, read: Read, seen: set[Path]) -> Layer:
    wanted = layer.tree.get("include") or []
    if isinstance(wanted, str):
        wanted = [wanted]
    tree, origins = dict(layer.tree), dict(layer.origins)
    for at, name in enumerate(wanted if isinstance(wanted, list) else [None]):
        place = layer.origins.get(("include", at)) or layer.origins[("include",)]
        if not isinstance(name, str) or len(seen) >= MAX_FILES:
            reason = "must name a file, or a list of files" if len(seen) < MAX_FILES else "names too many files"
            raise ConfigError([Problem(place.where, written(("include",)), reason)])
        file = path.parent / name
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        other = _joined(_read(file, read, place), file, read, seen)
        for key, value in other.tree.items():
            if key != "include":
                _join(tree, origins, key, value, other)
    return Layer(tree, origins)


def _read(file: Path, read: Read, place: Origin) -> Layer:
    try:
        return read(file)
    except ConfigError as error:
        problems = [Problem(place.where, "include", str(each)) for each in error.problems]
        raise ConfigError(problems) from None


def _join(tree: dict[str, Any], origins: dict[FieldPath, Origin], key: str, value: Any, other: Layer) -> None:
    old = tree.get(key)
    if isinstance(old, list) and isinstance(value, list):
        tree[key] = [*old, *value]
        shift = len(old)
    else:
        tree[key] = value
        shift = 0
        for path in [each for each in origins if each[:1] == (key,)]:
            del origins[path]
    for path, origin in other.origins.items():
        if path[:1] == (key,):
            at = path[1] + shift if len(path) > 1 and isinstance(path[1], int) else None
            origins[path if at is None else (key, at, *path[2:])] = origin
