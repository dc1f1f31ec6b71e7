"""The reference of all settings for docs/configuration.md, made from the schema.

python -m app.settings.reference docs/configuration.md      # renews the tables in it
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from pydantic import BaseModel

from app.settings.environment import SHORT_NAMES, long_name
from app.settings.origins import FieldPath
from app.settings.problems import model_in
from app.settings.schema import Settings

BEGIN = "<!-- made from the schema: begin -->"
END = "<!-- made from the schema: end -->"


class Entry(NamedTuple):
    """A setting of the schema; <name> stands for a name of the user's own."""

    path: FieldPath
    default: Any
    meaning: str


def entries(model: type[BaseModel] = Settings, prefix: FieldPath = ()) -> Iterator[Entry]:
    """Every setting below `model`, in the order of the schema."""
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            default = "required" if field.is_required() else field.default
            yield Entry((*prefix, name), default, field.description or "")
        else:
            yield from entries(inner, (*prefix, name, *_between(field.annotation, inner)))


def _between(annotation: Any, inner: type[BaseModel]) -> FieldPath:
    """What stands between a field and the fields of the model in it."""
    if get_origin(annotation) is dict:
        return ("<name>",)
    return ("[]",) if get_origin(annotation) is tuple else ()


def tables() -> str:
    """Markdown: a table for each section, and one of the short names that lead into integrations."""
    sections: dict[str, list[Entry]] = {}
    for entry in entries():
        sections.setdefault(str(entry.path[0]) if len(entry.path) > 1 else "", []).append(entry)
    parts = [_table(f"### `{name}`" if name else "### At the top", found) for name, found in sections.items()]
    return "\n\n".join([*parts, _providers()])


def renewed(text: str) -> str:
    """`text` with the tables between the marks made anew."""
    block = f"{BEGIN}\n\n{tables()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)


def _table(title: str, found: list[Entry]) -> str:
    lines = [title, "", "| Setting | Default | Environment | Meaning |", "| --- | --- | --- | --- |"]
    for entry in found:
        names = [name for name, path in SHORT_NAMES.items() if path == entry.path]
        if entry.path[0] != "models":
            names.append(long_name(entry.path).replace("<NAME>", "NAME"))
        variables = "<br>".join(f"`{name}`" for name in names)
        shown = ".".join(map(str, entry.path)).replace(".[]", "[]")
        lines.append(f"| `{shown}` | {_default(entry.default)} | {variables} | {entry.meaning} |")
    return "\n".join(lines)


def _default(value: Any) -> str:
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`"
    if isinstance(value, int) and value and value % 2**20 == 0:
        return f"`{value // 2**20}MiB`"
    return value if value == "required" else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _providers() -> str:
    found: Mapping[str, FieldPath] = {
        name: path for name, path in SHORT_NAMES.items() if path[0] == "integrations"
    }
    lines = ["### Providers from the environment", "", "| Environment | Sets |", "| --- | --- |"]
    lines += [f"| `{name}` | `{'.'.join(map(str, path))}` |" for name, path in found.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
