"""Joining the extensions of a stream's events into those of the whole answer."""

from typing import Any

# Texts that name a thing, rather than being a piece of a longer text.
_NAMES = frozenset({"id", "type", "index", "role", "name", "format", "signature"})


class Joined:
    """Grows with each event. A later value replaces an earlier one, objects grow field by field; with `lists`,
    arrays grow at their end (objects of the same `index` grow into each other); with `texts`, texts do.
    """

    __slots__ = ("_formats", "_lists", "_texts")

    def __init__(self, *, lists: bool = False, texts: bool = False) -> None:
        self._formats: dict[str, dict[str, Any]] = {}
        self._lists = lists
        self._texts = texts

    @staticmethod
    def has(extensions: dict[str, dict[str, Any]], level: str) -> bool:
        return any(level in levels for levels in extensions.values())

    def add(self, extensions: dict[str, dict[str, Any]], level: str) -> None:
        """`extensions` of an event; what stands under `level` is joined."""
        for format, levels in extensions.items():
            if fields := levels.get(level):
                self._grow(self._formats.setdefault(format, {}), fields)

    def extensions(self) -> dict[str, dict[str, Any]]:
        return self._formats

    def _grow(self, into: dict[str, Any], fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            mine = into.get(name)
            if type(mine) is dict and type(value) is dict:
                self._grow(mine, value)
            elif self._lists and type(mine) is list and type(value) is list:
                self._extend(mine, value)
            elif self._texts and type(mine) is str and type(value) is str and name not in _NAMES:
                into[name] = mine + value
            else:
                into[name] = _copy(value)

    def _extend(self, into: list[Any], values: list[Any]) -> None:
        for value in values:
            twin = _same_index(into, value)
            if twin is None:
                into.append(_copy(value))
            else:
                self._grow(twin, value)


def _same_index(values: list[Any], value: Any) -> dict[str, Any] | None:
    if type(value) is not dict or "index" not in value:
        return None
    for other in reversed(values):
        if type(other) is dict and other.get("index") == value["index"]:
            return other
    return None


def _copy(value: Any) -> Any:
    """Events are frozen: what grows here must not be theirs."""
    if type(value) is dict:
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if type(value) is list else value
