"""What every section of the settings has in common: strict, frozen, and deaf to keys without a value."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_STRICT = ConfigDict(extra="forbid", frozen=True, validate_default=False, hide_input_in_errors=True)


def _without_nulls(value: Any) -> Any:
    """A key with nothing behind it, as when its lines are commented out, is a key that is not there."""
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if each is not None}
    return value


class FaultBelow(ValueError):
    """What a section finds wrong with one of its fields when it looks at several together. `path`: from there."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Section(BaseModel):
    model_config = _STRICT

    _drop_nulls = model_validator(mode="before")(_without_nulls)
