"""Texts or token ids, one or several: the `prompt` of a completion and the `input` of an embedding."""

from typing import Any

from app.wire.fields import Fields

Input = str | tuple[int, ...]
# The same as a type that a decoder checks in passing.
Inputs = str | list[str | int | list[int]]


def take_inputs(fields: Fields, name: str) -> tuple[Input, ...]:
    """A string, an array of strings, an array of token ids, or an array of such arrays; never empty."""
    value = fields.rest.pop(name, None)
    if type(value) is str:
        return (value,)
    if type(value) is list and value:
        if all(type(item) is str for item in value):
            return tuple(value)
        if _are_tokens(value):
            return (tuple(value),)
        if all(type(item) is list and item and _are_tokens(item) for item in value):
            return tuple(tuple(item) for item in value)
    raise fields.wrong(name, "a string, an array of strings, or token ids; not an empty array")


def _are_tokens(items: list[Any]) -> bool:
    return all(type(item) is int for item in items)


def encode_inputs(inputs: tuple[Input, ...]) -> Any:
    """A lone input stands without an array around it."""
    return inputs[0] if len(inputs) == 1 else inputs
