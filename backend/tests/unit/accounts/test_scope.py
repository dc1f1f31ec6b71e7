"""Nobody gives more than he has."""

import pytest
from msgspec import structs

from app.accounts.keys.scope import FIELDS, Scope, beyond

BOUND = Scope(
    roles=("user",), models=("gpt-*", "llama"), groups=("a", "b"), team="red", tier="gold", expires_at=100.0
)


@pytest.mark.parametrize(
    ("field", "within", "further"),
    [
        ("roles", [("user",)], [("admin",), ("operator",), ("viewer",), ("user", "viewer")]),
        ("models", [("gpt-4",), ("gpt-*",), ("gpt-4*", "llama")], [(), ("*",), ("gpt*",), ("llama", "llama2")]),
        ("groups", [(), ("b",), ("b", "a")], [("c",), ("a", "c")]),
        ("team", ["red"], [None, "blue"]),
        ("tier", ["gold"], [None, "platinum"]),
        ("expires_at", [100.0, 1.0], [None, 100.1]),
    ],
)
def test_each_field_has_its_bound(field: str, within: list[object], further: list[object]) -> None:
    for value in within:
        assert beyond(structs.replace(BOUND, **{field: value}), BOUND) is None, value
    for value in further:
        assert beyond(structs.replace(BOUND, **{field: value}), BOUND) == field, value
        others = [each for each in FIELDS if each != field]
        assert beyond(structs.replace(BOUND, **{field: value}), BOUND, others) is None


def test_who_has_no_bound_gives_what_he_likes_of_it() -> None:
    free = Scope(roles=("admin",))
    assert beyond(Scope(roles=("viewer", "operator"), models=("x",), expires_at=5.0), free) is None


def test_who_belongs_to_nobody_puts_nobody_anywhere() -> None:
    """A team, a group or a tier has rights and money of its own."""
    free = Scope(roles=("admin",))
    for given in (Scope(roles=("user",), team="red"), Scope(roles=("user",), tier="gold")):
        assert beyond(given, free) in {"team", "tier"}
    assert beyond(Scope(roles=("user",), groups=("a",)), free) == "groups"
