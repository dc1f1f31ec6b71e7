"""Every setting with its value and where that came from, as rows to print. Secrets are hidden."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.settings.loading import LoadedSettings
from app.settings.origins import FieldPath, Origin, written
from app.settings.redaction import redacted


class Row(NamedTuple):
    """`value` is made of JSON's types; the origin is a default's where nobody set the value."""

    field: str
    value: Any
    origin: Origin


def explain(loaded: LoadedSettings) -> list[Row]:
    """One row a value. A list is one row, and so is a model, with what was set of it alone."""
    values = redacted(loaded.settings, (), loaded.layer.secrets)
    values["models"] = {
        name: model.model_dump(exclude_unset=True, mode="json") for name, model in loaded.settings.models.items()
    }
    return [Row(written(path), value, loaded.origin(written(path))) for path, value in _leaves(values, ())]


def _leaves(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, Mapping) and value and path[:-1] != ("models",):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    else:
        yield path, value


def changes(before: LoadedSettings, after: LoadedSettings) -> dict[str, dict[str, Any]]:
    """Field → what it was (`before`) and is (`after`), None where it was or is not set. Secrets are hidden, so one
    that was exchanged for another is not among them.
    """
    was, is_now = ({row.field: row.value for row in explain(each)} for each in (before, after))
    return {
        field: {"before": was.get(field), "after": is_now.get(field)}
        for field in sorted({*was, *is_now})
        if was.get(field) != is_now.get(field)
    }
