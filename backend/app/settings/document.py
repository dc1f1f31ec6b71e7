"""A YAML file as a tree of plain values in which every node knows its line.

Stricter than YAML: duplicate keys, tags of one's own, keys that are not text and several documents are refused;
aliases and merge keys work, within a bound on what they may expand to.
"""

from typing import Any

import yaml

from app.settings.origins import FieldPath, Layer, Origin, written
from app.settings.problems import ConfigError, Problem

MAX_BYTES = 2**20
MAX_NODES = 20_000
MAX_DEPTH = 32

_YAML = "tag:yaml.org,2002:"
_SCALARS = {f"{_YAML}{name}" for name in ("null", "bool", "int", "float", "str")}


def parse_document(content: bytes, name: str, problems: list[Problem]) -> Layer:
    """The tree of a file, as far as it can be read; what is wrong in it is added to `problems`.

    `name` stands in messages. Raises ConfigError when there is no tree to go on with.
    """
    if len(content) > MAX_BYTES:
        raise ConfigError([Problem(name, "", f"the file is larger than {MAX_BYTES // 2**20} MiB")])
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(content)
        root = loader.get_single_node()
        return _Reader(loader, name, problems).read(root)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(error, name)]) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError([Problem(name, "", "is not a text file in UTF-8")]) from None
    except RecursionError:
        raise ConfigError([Problem(name, "", f"is nested deeper than {MAX_DEPTH} levels")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _syntax(error: yaml.MarkedYAMLError, name: str) -> Problem:
    """Without the library's excerpt of the file, which may hold a secret."""
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}" if mark else name
    return Problem(where, "", f"is not valid YAML: {error.problem or error.context}")


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, name: str, problems: list[Problem]) -> None:
        self._loader = loader
        self._name = name
        self._left = MAX_NODES
        self._origins: dict[FieldPath, Origin] = {}
        self._problems = problems

    def read(self, root: yaml.Node | None) -> Layer:
        if root is None or root.tag == f"{_YAML}null":
            return Layer({}, {})
        tree = self._value(root, ())
        if not isinstance(tree, dict):
            raise ConfigError(
                [Problem(self._where(root), "", "must be a mapping: 'server:' with fields below it")]
            )
        return Layer(tree, self._origins)

    def _refuse(self, node: yaml.Node, path: FieldPath, message: str) -> None:
        self._problems.append(Problem(self._where(node), written(path), message))

    def _where(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"

    def _value(self, node: yaml.Node, path: FieldPath) -> Any:
        self._charge(node)
        if len(path) > MAX_DEPTH:
            raise ConfigError([Problem(self._where(node), "", f"is nested deeper than {MAX_DEPTH} levels")])
        self._origins[path] = Origin("file", self._where(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
            result: dict[str, Any] = {}
            self._fill(result, node, path)
            return result
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            return [self._value(each, (*path, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._refuse(node, path, f"has the tag {_tag(node)}, which is not allowed here")
        return None

    def _charge(self, node: yaml.Node) -> None:
        """A few lines of aliases of aliases can stand for billions of values."""
        self._left -= 1
        if self._left < 0:
            raise ConfigError(
                [Problem(self._where(node), "", f"has more than {MAX_NODES} values, aliases expanded")]
            )

    def _fill(self, result: dict[str, Any], node: yaml.MappingNode, path: FieldPath) -> None:
        """Put the pairs of `node` into `result`: first what `<<` names, then its own, which win."""
        self._charge(node)
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                self._fill_merged(result, value_node, path)
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                continue
            if key_node.tag != f"{_YAML}str" or not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, path, "has a key that is not text; put it in quotes")
                continue
            key: str = key_node.value
            if key in seen:
                self._refuse(key_node, (*path, key), "stands here a second time")
            seen.add(key)
            self._forget((*path, key))
            result[key] = self._value(value_node, (*path, key))
            self._origins[(*path, key)] = Origin("file", self._where(key_node))

    def _fill_merged(self, result: dict[str, Any], node: yaml.Node, path: FieldPath) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in reversed(sources):
            if isinstance(source, yaml.MappingNode):
                self._fill(result, source, path)
            else:
                self._refuse(source, path, "'<<' must name a mapping, or a list of them")

    def _forget(self, path: FieldPath) -> None:
        if path in self._origins:
            self._origins = {each: at for each, at in self._origins.items() if each[: len(path)] != path}

    def _scalar(self, node: yaml.ScalarNode, path: FieldPath) -> Any:
        """Dates and the like stay the text that they were written as."""
        if node.tag in {f"{_YAML}timestamp", f"{_YAML}value"}:
            return node.value
        if node.tag not in _SCALARS:
            self._refuse(node, path, f"has the tag {_tag(node)}, which is not allowed here")
            return None
        try:
            return self._loader.construct_object(node)
        except ValueError:
            self._refuse(node, path, f"is not what its tag {_tag(node)} says")
            return None


def _tag(node: yaml.Node) -> str:
    return node.tag.replace(_YAML, "!!")
