"""Reading the settings: file, environment and command line laid over the defaults, checked once as a whole."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.settings.document import MAX_BYTES, parse_document
from app.settings.environment import CONFIG_FILE, overlooked, read_environment
from app.settings.origins import DEFAULT, FieldPath, Layer, Origin, overlay, written
from app.settings.problems import ConfigError, Problem, by_place, problems_of
from app.settings.schema import Settings
from app.settings.substitution import substitute

DEFAULT_FILE = Path("llm-platform.yaml")

LITELLM_SECTIONS = frozenset({"model_list", "litellm_settings", "router_settings", "general_settings"})
"""A file with one of these at its top is LiteLLM's; no setting of ours has such a name."""

_OPTIONS: Mapping[str, str] = {
    "server.host": "--host",
    "server.port": "--port",
    "server.grpc_port": "--grpc-port",
    "server.workers": "--workers",
    "log_level": "--log-level",
}


@dataclass(frozen=True, kw_only=True)
class LoadedSettings:
    """Settings, and what is to be told of them.

    `origins` has the path of every value that was set ("server.port", `models."llama3.1"`); what it lacks is a
    default: see `origin`. `file`: the file that was read, if any. `warnings`: names that look mistyped, and what a
    LiteLLM file says that has no counterpart.
    `layer`: what all sources said together, before the defaults.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None
    warnings: tuple[str, ...]
    layer: Layer = field(repr=False)

    def origin(self, path: str) -> Origin:
        return self.origins.get(path, DEFAULT)


def load_settings(
    config: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> LoadedSettings:
    """Settings from `config`, else ./llm-platform.yaml, else the file LLM_PLATFORM_CONFIG names, else no file.

    `overrides`: what the command line says, as {"server.port": 9000}; None is unset.
    Raises ConfigError with every problem found.
    """
    path = _find(config, environ)
    problems: list[Problem] = []
    warnings = overlooked(environ)
    layer = overlay(
        [
            _read_file(path, environ, problems, warnings),
            read_environment(environ, problems),
            _command_line(overrides),
        ]
    )
    return LoadedSettings(
        settings=_validated(layer, problems, warnings),
        origins={written(each): origin for each, origin in layer.origins.items() if each},
        file=path,
        warnings=tuple(warnings),
        layer=layer,
    )


def _find(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    if config is not None:
        return config
    if DEFAULT_FILE.exists():
        return DEFAULT_FILE
    named = environ.get(CONFIG_FILE)
    return Path(named) if named else None


def _validated(layer: Layer, problems: list[Problem], warnings: Sequence[str]) -> Settings:
    """Raises ConfigError with `problems` and with those of the schema, each field named once."""
    try:
        settings = Settings.model_validate(layer.tree)
    except ValidationError as error:
        told = {(problem.where, problem.field) for problem in problems}
        found = problems_of(error, layer, Settings)
        problems += [each for each in found if (each.where, each.field) not in told]
    if problems:
        raise ConfigError(sorted(problems, key=by_place), warnings)
    return settings


def read_document(path: Path, problems: list[Problem]) -> Layer:
    """The file at `path` as it stands there. What is wrong in it is added to `problems`. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unreadable"
        raise ConfigError([Problem(str(path), "", f"cannot be read: {reason}")]) from None
    return parse_document(content, str(path), problems)


def _read_file(
    path: Path | None, environ: Mapping[str, str], problems: list[Problem], warnings: list[str]
) -> Layer:
    """What the file says, in our settings whoever's its format is."""
    if path is None:
        return Layer({}, {})
    layer = read_document(path, problems)
    if not LITELLM_SECTIONS.isdisjoint(layer.tree):
        # Imported where it is needed: few have such a file.
        from app.settings.litellm import translate

        layer, notes, variables = translate(
            layer, path, lambda included: read_document(included, problems), environ, problems
        )
        warnings += [str(note.problem) for note in notes]
        environ = {**environ, **variables}
    return substitute(layer, environ, problems)


def _command_line(overrides: Mapping[str, object]) -> Layer:
    tree: dict[str, Any] = {}
    origins: dict[FieldPath, Origin] = {}
    for name, value in overrides.items():
        if value is None:
            continue
        *parents, last = name.split(".")
        section = tree
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
        option = _OPTIONS.get(name, "--" + last.replace("_", "-"))
        origins[(*parents, last)] = Origin("command line", option)
    return Layer(tree, origins)
