"""The words that a field may have, for whoever gave it another one. Read from the type, and only then."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"[^.\[\]]+|\[")


def choices(kind: Any, path: str) -> Sequence[str]:
    """What may stand at `path` of a `kind`, as msgspec names a place; nothing where any word may."""
    return list(_within(inspect.type_info(kind), [step for step in _STEP.findall(path) if not step.isdecimal()]))


def _within(kind: inspect.Type, steps: Sequence[str]) -> Iterator[str]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _within(each, steps)
    elif steps:
        for below in _below(kind, steps[0]):
            yield from _within(below, steps[1:])
    elif isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)
    elif isinstance(kind, inspect.EnumType):
        yield from (str(each.value) for each in kind.cls)


def _below(kind: inspect.Type, step: str) -> Sequence[inspect.Type]:
    match kind:
        case inspect.StructType():
            return [field.type for field in kind.fields if field.encode_name == step]
        case inspect.ListType() | inspect.VarTupleType():
            return (kind.item_type,)
        case inspect.DictType():
            return (kind.value_type,)
    return ()
