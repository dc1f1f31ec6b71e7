"""A tree of our own settings while it is made, in which each value keeps its place in the LiteLLM file."""

from typing import Any

from app.settings.origins import FieldPath, Layer, Origin


class Draft:
    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}
        self._origins: dict[FieldPath, Origin] = {}

    def put(self, path: FieldPath, value: object, origin: Origin) -> None:
        """Set the value at `path`, making what leads there. A number in the path is the next place of a list."""
        node: Any = self._tree
        for depth, part in enumerate(path[:-1], start=1):
            self._origins.setdefault(path[:depth], origin)
            node = _below(node, part, [] if isinstance(path[depth], int) else {})
        node[path[-1]] = value
        self._mark(path, value, origin)

    def layer(self) -> Layer:
        return Layer(self._tree, self._origins)

    def _mark(self, path: FieldPath, value: object, origin: Origin) -> None:
        self._origins[path] = origin
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in pairs:
            self._mark((*path, key), each, origin)


def _below(node: Any, part: str | int, otherwise: Any) -> Any:
    """What stands at `part`, put there if nothing does."""
    if isinstance(part, int):
        if part == len(node):
            node.append(otherwise)
        return node[part]
    return node.setdefault(part, otherwise)
