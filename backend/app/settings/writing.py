"""Settings as a YAML file in our own format: short forms where they say the same, secrets as references, comments.

What is written reads back as the settings that it was made from, once the environment has the named secrets.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from app.settings.environment import SHORT_NAMES
from app.settings.origins import FieldPath
from app.settings.redaction import is_secret
from app.settings.schema import Settings

_NAMED = ("integrations", "models", "aliases", "prices")
"""Sections whose keys are names of the user's, so that each may have comments of its own."""

_REFERENCE = re.compile(r"(?<!\$)\$\{")


class Written(NamedTuple):
    """`secrets`: the variables that stand for what must not be in a file, and where each value stood."""

    text: str
    secrets: Mapping[str, FieldPath]


def write_settings(tree: Mapping[str, Any], comments: Mapping[FieldPath, Sequence[str]]) -> Written:
    """`comments`: lines to stand above what they are about, a section or one of its names."""
    secrets: dict[str, FieldPath] = {}
    plain = _without_secrets(tree, (), secrets)
    order = [name for name in Settings.model_fields if name in plain]
    return Written("\n".join(_section(name, plain[name], comments) for name in order), secrets)


def commented(lines: Sequence[str], indent: str = "") -> str:
    single = [part for line in lines for part in line.splitlines() or [""]]
    return "".join(f"{indent}# {line}".rstrip() + "\n" for line in single)


def _section(name: str, value: Any, comments: Mapping[FieldPath, Sequence[str]]) -> str:
    text = commented(comments.get((name,), ()))
    if name not in _NAMED or not isinstance(value, dict):
        return text + _dumped({name: value})
    text += f"{name}:\n"
    for key, each in value.items():
        text += commented(comments.get((name, key), ()), "  ")
        short = _short_model(each) if name == "models" else each
        text += "".join(f"  {line}\n" for line in _dumped({key: short}).splitlines())
    return text


def _dumped(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)


def _short_model(model: Any) -> Any:
    """`fast: a/b` for a model with one target and nothing else."""
    targets = [_short_target(each) for each in model["targets"]]
    if len(model) > 1:
        return {**model, "targets": targets}
    return targets[0] if len(targets) == 1 else targets


def _short_target(target: Mapping[str, Any]) -> Any:
    return target["target"] if len(target) == 1 else target


def _without_secrets(value: Any, path: FieldPath, secrets: dict[str, FieldPath]) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(each, (*path, key), secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each, (*path, at), secrets) for at, each in enumerate(value)]
    if not isinstance(value, str) or not is_secret(path) or _REFERENCE.search(value):
        return value
    name = next(each for each in _variables(path) if each not in secrets)
    secrets[name] = path
    return f"${{{name}}}"


def _variables(path: FieldPath) -> Iterator[str]:
    """Names for what stands at `path`: the one that the platform knows for it, or one made of the path's own."""
    yield from (name for name, known in SHORT_NAMES.items() if known == path)
    words = [str(part) for part in path if part not in {"integrations", "settings"}]
    name = re.sub(r"\W+", "_", "_".join(words)).upper()
    plain = name if not name[:1].isdigit() else f"_{name}"
    yield plain
    number = 2
    while True:
        yield f"{plain}_{number}"
        number += 1
