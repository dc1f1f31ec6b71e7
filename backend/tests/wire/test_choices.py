"""The words that a field may have are told from its type, wherever it stands."""

from enum import StrEnum
from typing import Any, Literal

import msgspec
import pytest

from app.wire.choices import choices


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(msgspec.Struct, rename="camel"):
    one_of: Literal["a", "b"] | None = None
    colour: Colour = Colour.RED
    text: str = ""


class Tree(msgspec.Struct):
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    words: list[Literal["x"]] = []
    named: dict[str, Leaf] = {}
    any: Any = None


@pytest.mark.parametrize(
    ("path", "told"),
    [
        *[("leaf.oneOf", ["a", "b"]), ("leaves[12].colour", ["blue", "red"]), ("words[0]", ["x"])],
        *[("named[...].oneOf", ["a", "b"]), ("leaf.text", []), ("leaf", []), ("nosuch.oneOf", [])],
        *[("any.x[0]", []), ("", [])],
    ],
)
def test_they_are_found_at_their_place(path: str, told: list[str]) -> None:
    assert sorted(choices(Tree, path)) == told


@pytest.mark.parametrize(("kind", "told"), [(Colour, ["blue", "red"]), (Any, [])])
def test_a_value_may_be_one_itself(kind: Any, told: list[str]) -> None:
    assert sorted(choices(kind, "")) == told
