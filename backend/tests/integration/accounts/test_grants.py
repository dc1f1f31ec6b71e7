"""Nobody gives more than he has: whoever asks, by whichever method, in whichever field."""

from typing import Any

import msgspec
import pytest

from app.accounts.keys.schemas import KeyChange, KeyFilter, NewKey, Rotation
from app.domain.errors import Conflict, NotFound, PermissionDenied
from app.domain.principal import Principal
from tests.integration.accounts.rooms import MASTER, Process, actor

SCOPE: dict[str, Any] = {
    "models": ("gpt-*",),
    "groups": ("research",),
    "team": "red",
    "tier": "gold",
    "roles": ("user",),
}
MORE: dict[str, list[Any]] = {
    "models": [(), ("*",), ("gpt-4", "llama")],
    "groups": [("research", "gpu"), ("gpu",), ()],
    "team": [None, "blue"],
    "tier": [None, "platinum"],
    "roles": [("admin",), ("operator",), ("viewer",), ("user", "admin")],
    "expires_at": [None, 99e9],
}
LESS: dict[str, Any] = {"models": ("gpt-4",), "expires_at": 5e9}
CASES = [(field, value) for field, values in MORE.items() for value in values]
FEWER = ("groups", ())
"""For who does not manage all keys: a tier goes by groups, and a key without them would have no limits."""


def oidc(**fields: Any) -> Principal:
    """Who came without a key of his own."""
    return Principal(id="oidc:ann", **{**SCOPE, "roles": frozenset({"user"}), **fields})


async def asking(room: Process, who: str) -> Principal:
    """Each has SCOPE; those with a key until 9e9."""
    if who == "oidc user":
        return oidc()
    roles = {"user key": ("user",), "operator key": ("operator",), "admin key": ("admin",)}[who]
    return (await room.issue(**{**SCOPE, "roles": roles}, expires_at=9e9))[1]


@pytest.mark.parametrize("who", ["user key", "oidc user"])
@pytest.mark.parametrize(("field", "value"), CASES)
async def test_by_creating_and_by_changing(room: Process, who: str, field: str, value: Any) -> None:
    if who == "oidc user" and field == "expires_at":
        return  # nothing ends with him
    keys, by = await room.service(), await asking(room, who)
    with pytest.raises(PermissionDenied) as caught:
        await keys.create(actor(by), NewKey(**{field: value}))
    assert (caught.value.code, caught.value.param) == ("scope_exceeded", field)
    key, _ = await keys.create(actor(by), NewKey())
    with pytest.raises(PermissionDenied):
        await keys.change(actor(by), key.id, KeyChange(**{field: value}))
    assert await keys.get(actor(by), key.id) == key


@pytest.mark.parametrize("who", ["user key", "oidc user"])
async def test_less_can_be_given_and_what_is_not_said_is_taken_from_above(room: Process, who: str) -> None:
    keys, by = await room.service(), await asking(room, who)
    same, _ = await keys.create(actor(by), NewKey())
    assert {field: getattr(same, field) for field in SCOPE} == SCOPE
    less, _ = await keys.create(actor(by), NewKey(**LESS))
    assert {field: getattr(less, field) for field in LESS} == LESS
    for field, value in LESS.items():
        await keys.change(actor(by), same.id, KeyChange(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("roles", ("operator", "user", "viewer"), True),
        ("roles", ("admin",), False),
        ("team", "blue", False),
        ("models", ("llama",), False),
    ],
)
async def test_an_operator_gives_what_an_operator_may(
    room: Process, field: str, value: Any, allowed: bool
) -> None:
    keys, by = await room.service(), await asking(room, "operator key")
    if allowed:
        await keys.create(actor(by), NewKey(**{field: value}))
        return
    with pytest.raises(PermissionDenied):
        await keys.create(actor(by), NewKey(**{field: value}))


async def test_an_administrator_s_key_gives_teams_and_tiers_but_no_more_models_or_time_than_it_has(
    room: Process,
) -> None:
    keys, by = await room.service(), await asking(room, "admin key")
    within = {"models": ("gpt-4",), "expires_at": 8e9}
    key, _ = await keys.create(
        actor(by), NewKey(team="blue", tier=None, groups=("any",), roles=("admin",), **within)
    )
    assert (key.parent, key.team, key.roles) == (None, "blue", ("admin",))
    for beyond in ({"models": ("llama",), "expires_at": 8e9}, {"models": ("gpt-4",)}):
        with pytest.raises(PermissionDenied):
            await keys.create(actor(by), NewKey(**beyond))
    with pytest.raises(PermissionDenied):
        await keys.change(actor(by), key.id, KeyChange(models=()))
    assert by.key is not None
    with pytest.raises(PermissionDenied):  # nor itself
        await keys.change(actor(by), by.key, KeyChange(expires_at=None))


@pytest.mark.parametrize(("field", "value"), [each for each in CASES if each != FEWER])
async def test_the_key_above_bounds_what_anybody_gives(room: Process, field: str, value: Any) -> None:
    keys = await room.service()
    parent, _ = await keys.create(actor(), NewKey(**SCOPE, expires_at=9e9))
    with pytest.raises(PermissionDenied):
        await keys.create(actor(MASTER), NewKey(parent=parent.id, **{field: value}))
    child, _ = await keys.create(actor(), NewKey(parent=parent.id))
    with pytest.raises(PermissionDenied):
        await keys.change(actor(MASTER), child.id, KeyChange(**{field: value}))


@pytest.mark.parametrize("field", ["team", "tier"])
async def test_a_key_below_another_has_its_team_and_tier_and_that_is_said(room: Process, field: str) -> None:
    keys = await room.service()
    parent, _ = await keys.create(actor(), NewKey())
    with pytest.raises(PermissionDenied) as caught:
        await keys.create(actor(), NewKey(parent=parent.id, **{field: "gold"}))
    said = f"'{field}' must be that of the key above: a key below another always has its {field}."
    assert caught.value.message == said
    await keys.create(actor(), NewKey(parent=parent.id))
    with pytest.raises(Conflict, match=f"always has the same '{field}': revoke that one first"):
        await keys.change(actor(), parent.id, KeyChange(**{field: "gold"}))


@pytest.mark.parametrize(
    ("field", "value"), [("models", ("gpt-4",)), ("groups", ()), ("team", "blue"), ("expires_at", 5e9)]
)
async def test_nobody_takes_from_a_key_what_those_below_it_have(room: Process, field: str, value: Any) -> None:
    keys = await room.service()
    parent, _ = await keys.create(actor(), NewKey(**SCOPE, expires_at=9e9))
    child, _ = await keys.create(actor(), NewKey(parent=parent.id))
    with pytest.raises(Conflict) as caught:
        await keys.change(actor(), parent.id, KeyChange(**{field: value}))
    assert child.id in caught.value.message
    await keys.revoke(actor(), child.id)
    changed = await keys.change(actor(), parent.id, KeyChange(**{field: value}))
    assert msgspec.to_builtins(changed)[field] == value or list(value) == msgspec.to_builtins(changed)[field]


async def test_nobody_takes_by_rotating_what_he_could_not_give(room: Process) -> None:
    """Who has a key's text has what the key has."""
    keys, by = await room.service(), await asking(room, "admin key")
    for more in ({}, {"models": ("gpt-4",)}, {"expires_at": 8e9}):
        key, _ = await keys.create(actor(), NewKey(roles=("admin",), **more))
        with pytest.raises(PermissionDenied):
            await keys.rotate(actor(by), key.id, Rotation())
    key, _ = await keys.create(actor(), NewKey(roles=("admin",), models=("gpt-4",), team="blue", expires_at=8e9))
    await keys.rotate(actor(by), key.id, Rotation())


async def test_who_is_an_operator_no_more_does_not_become_one_by_his_old_keys(room: Process) -> None:
    keys, operator = await room.service(), oidc(roles=frozenset({"operator"}))
    key, _ = await keys.create(actor(operator), NewKey(roles=("operator",)))
    await keys.rotate(actor(operator), key.id, Rotation())
    with pytest.raises(PermissionDenied) as caught:
        await keys.rotate(actor(oidc()), key.id, Rotation())
    assert caught.value.param == "roles"
    await keys.revoke(actor(oidc()), key.id)


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_a_token_issues_no_keys_without_end(room: Process, role: str) -> None:
    keys, by = await room.service(), oidc(roles=frozenset({role}), models=(), grants_for=3600.0)
    key, _ = await keys.create(actor(by), NewKey())
    assert key.expires_at == key.created_at + 3600
    for more in (NewKey(expires_at=None), NewKey(expires_in=3700.0)):
        with pytest.raises(PermissionDenied):
            await keys.create(actor(by), more)
    with pytest.raises(PermissionDenied):
        await keys.change(actor(by), key.id, KeyChange(expires_at=None))
    await keys.create(actor(by), NewKey(expires_in=3600.0))
    room.clock.ahead = 10.0
    await keys.rotate(actor(by), key.id, Rotation())


async def test_keys_of_somebody_without_a_key_are_his_alone(room: Process) -> None:
    keys = await room.service()
    key, _ = await keys.create(actor(oidc()), NewKey(name="for scripts"))
    assert (key.owner, key.created_by, key.parent) == ("oidc:ann", "oidc:ann", None)
    bob = msgspec.structs.replace(oidc(), id="oidc:bob")
    assert (await keys.page(actor(bob), KeyFilter())).keys == []
    with pytest.raises(NotFound):
        await keys.revoke(actor(bob), key.id)
    assert (await keys.page(actor(oidc()), KeyFilter())).keys == [key]
    await keys.revoke(actor(oidc()), key.id)


@pytest.mark.parametrize("who", ["user key", "oidc user"])
async def test_nobody_writes_another_s_name_on_a_key(room: Process, who: str) -> None:
    keys, by = await room.service(), await asking(room, who)
    with pytest.raises(PermissionDenied):
        await keys.create(actor(by), NewKey(owner="bob"))
    key, _ = await keys.create(actor(by), NewKey())
    with pytest.raises(PermissionDenied):
        await keys.change(actor(by), key.id, KeyChange(owner="bob"))
