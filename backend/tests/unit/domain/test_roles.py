"""What a role may do."""

import pytest

from app.domain.principal import Principal
from app.domain.roles import RIGHTS, ROLES, SCRAPER, Right, rights_of


def test_every_role_has_its_row_and_the_administrator_every_right() -> None:
    assert set(RIGHTS) == {*ROLES, SCRAPER}
    assert RIGHTS["admin"] == frozenset(Right)


@pytest.mark.parametrize("roles", [(), ("nobody",), ("Admin",), ("admin ",)])
def test_what_is_no_role_gives_nothing(roles: tuple[str, ...]) -> None:
    assert rights_of(roles) == frozenset()
    assert not any(Principal(id="x", roles=frozenset(roles)).may(right) for right in Right)


def test_several_roles_add_up() -> None:
    both = Principal(id="x", roles=frozenset({"viewer", "user"}))
    assert both.may(Right.SEE_PLATFORM)
    assert both.may(Right.ASK)
    assert not both.may(Right.RUN_PLATFORM)


def test_which_models_a_principal_may_use() -> None:
    assert Principal(id="x").may_use("anything")
    assert Principal(id="x", models=("gpt-*",)).may_use("gpt-4")
    assert not Principal(id="x", models=("gpt-*",)).may_use("openai/gpt-4")
