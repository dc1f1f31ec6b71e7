"""Sizes, times and switches as people write them: `10MiB`, `90s`, `5m`, `a, b`.

Here are the annotated types that the schema uses; what they mean is said where they are used.
"""

import re
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field

_SIZE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TIME_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
Units = TypeVar("Units", int, float)


def _scaled(text: str, units: dict[str, Units]) -> float | None:
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    return float(match[1]) * unit if match and unit is not None else None


def _size(value: object) -> object:
    """Bytes of "10MiB", "512 kB" or a number."""
    if not isinstance(value, str):
        return _no_switch(value, "a size such as 10MiB")
    scaled = _scaled(value, _SIZE_UNITS)
    if scaled is None or scaled != int(scaled):
        raise ValueError("must be a size such as 10MiB, 512kB or a number of bytes")
    return int(scaled)


def _seconds(value: object) -> object:
    """Seconds of "90s", "5m", "250ms" or a number."""
    if not isinstance(value, str):
        return _no_switch(value, "a time such as 90s")
    scaled = _scaled(value, _TIME_UNITS)
    if scaled is None:
        raise ValueError("must be a time such as 90s, 5m, 250ms or a number of seconds")
    return scaled


def is_time(text: str) -> bool:
    return _scaled(text, _TIME_UNITS) is not None


def _whole(value: object) -> object:
    return _no_switch(value, "an integer")


def _no_switch(value: object, wanted: str) -> object:
    """YAML reads yes, no, on and off as switches, and Python would count them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must be {wanted}")
    return value


def listed(value: object) -> object:
    """The environment has no lists: "a, b" is one."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Bytes = Annotated[int, BeforeValidator(_size)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_whole)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
