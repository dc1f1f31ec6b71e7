"""Configuration errors as a person reads them: every problem at once, each with its place, field and way out.

A message shows a value only where no secret can be: never a list or mapping, never a field with a secret's name.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.settings.origins import FieldPath, Layer, written
from app.settings.redaction import is_secret
from app.settings.section import FaultBelow

_SHOWN_CHARACTERS = 60


class Problem(NamedTuple):
    """`where`: "llm-platform.yaml:12" or an environment name; `field`: "server.port"; either may be empty."""

    where: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


def by_place(problem: Problem) -> tuple[str, int]:
    """The order of the lines of a file."""
    name, _, line = problem.where.rpartition(":")
    return (name, int(line)) if line.isdigit() else (problem.where, 0)


class ConfigError(Exception):
    """The configuration cannot be used. `str()` is the whole report, one problem a line. `warnings`: what is to be
    told besides.
    """

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def summary(self) -> str:
        """The report on one line, for a log."""
        return "; ".join(map(str, self.problems))


_SENTENCES: Mapping[str, str] = {
    "missing": "is required",
    "int_parsing": "must be an integer",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must not be empty",
}


def problems_of(
    error: ValidationError, layer: Layer, schema: type[BaseModel], base: FieldPath = ()
) -> list[Problem]:
    """Every fault that `error` holds, at the place in `layer` where its value was written.

    `base` is where the validated part of the layer begins, `schema` the model that refused it.
    """
    return [
        _problem(detail, layer, schema, base)
        for detail in error.errors(include_url=False)
        if detail["type"] != "missing" or detail["loc"]
    ]


def _problem(detail: ErrorDetails, layer: Layer, schema: type[BaseModel], base: FieldPath) -> Problem:
    inner = tuple(part for part in detail["loc"] if part != "[key]")
    fault = detail.get("ctx", {}).get("error")
    if isinstance(fault, FaultBelow):
        inner += fault.path
    path = as_written(base + inner, layer)
    place = _nearest(path, layer)
    origin = layer.origins.get(place)
    unknown = detail["type"] == "extra_forbidden"
    shown = path[:-1] if unknown else path
    if place and not isinstance(_node(layer.tree, place), dict | list):
        shown = place if not unknown else shown
    message = _unknown(inner, schema) if unknown else _sentence(detail) + _got(detail, path, layer)
    return Problem(origin.where if origin else "", written(shown), message)


def problem_at(layer: Layer, path: FieldPath, message: str) -> Problem:
    """At the nearest place that someone wrote; nowhere for what nobody did."""
    shown = as_written(path, layer)
    place = _nearest(shown, layer)
    return Problem(layer.origins[place].where if len(place) > 1 else "", written(shown), message)


def as_written(path: FieldPath, layer: Layer) -> FieldPath:
    """`path` without the fields that a short form leaves out, as `targets` in `models: {fast: [a/b, c/d]}`."""
    for at, part in enumerate(path):
        node = path[:at]
        if part == "targets" and node in layer.origins and (*node, part) not in layer.origins:
            return node + path[at + 1 :]
    return path


def _nearest(path: FieldPath, layer: Layer) -> FieldPath:
    """The longest beginning of `path` that someone wrote."""
    while path and path not in layer.origins:
        path = path[:-1]
    return path


def _node(tree: Any, path: FieldPath) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _sentence(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    sentence = _SENTENCES.get(detail["type"])
    if sentence is None:
        return detail["msg"][:1].lower() + detail["msg"][1:]
    return sentence.format_map({key: _number(value) for key, value in context.items()})


def _number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _got(detail: ErrorDetails, path: FieldPath, layer: Layer) -> str:
    value = detail["input"]
    if detail["type"] == "missing" or is_secret(path) or path in layer.secrets:
        return ""
    if detail["type"] == "value_error" and isinstance(value, dict):
        return ""  # it is told what is wrong in there
    if detail["type"] in {"dict_type", "model_type", "tuple_type", "list_type"}:
        return f" (got {_kind(value)})"
    if isinstance(value, bool | int | float):
        return f" (got {str(value).lower()})"
    if isinstance(value, str) and len(value) <= _SHOWN_CHARACTERS:
        return f" (got {value!r})"
    return f" (got {_kind(value)})"


def _kind(value: object) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (str, "text"),
        (bool, "a switch"),
        ((int, float), "a number"),
        (dict, "a mapping"),
        ((list, tuple), "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing")


def _unknown(path: FieldPath, schema: type[BaseModel]) -> str:
    name = str(path[-1])
    return f"unknown field {name!r}" + suggestion(name, _fields_at(schema, path[:-1]))


def close_to(name: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The name that was meant, if one is that close."""
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=cutoff)), None)


def suggestion(name: str, known: Sequence[str], kinds: str = "fields") -> str:
    """What to add to "unknown …": the name that was meant, or those there are when none is close."""
    if close := close_to(name, known):
        return f"; did you mean {close!r}?"
    return f"; the {kinds} are {', '.join(known)}" if known else ""


def _fields_at(schema: type[BaseModel], path: FieldPath) -> tuple[str, ...]:
    """The names of the fields of the model at `path` below `schema`."""
    model: type[BaseModel] | None = schema
    for part in path:
        if model is None:
            return ()
        field = model.model_fields.get(str(part))
        model = model_in(field.annotation) if field else model
    return tuple(model.model_fields) if model else ()


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as dict[str, tuple[Model, ...]] is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [*getattr(annotation, "__args__", ()), getattr(annotation, "__origin__", None)]
    return next((found for each in inner if each is not annotation and (found := model_in(each))), None)
