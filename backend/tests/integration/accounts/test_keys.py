"""What becomes of a key: made, shown, changed, rotated, revoked, deleted; and what is kept of it."""

import asyncio
import json
from typing import Any

import pytest

from app.accounts.keys import repository as rows
from app.accounts.keys import service as module
from app.accounts.keys.schemas import KeyChange, KeyFilter, NewKey, Rotation
from app.accounts.keys.text import is_key, new_key
from app.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, Unavailable
from tests.integration.accounts.rooms import MASTER, Process, actor, process

WHOLE = {
    "name": "ann's notebook",
    "owner": "ann",
    "team": "red",
    "groups": ("research", "gpu"),
    "models": ("gpt-*", "llama"),
    "roles": ("user", "viewer"),
    "tier": "gold",
    "metadata": {"cost-center": "7"},
}


async def test_a_new_key_is_what_was_asked_for_and_its_text_is_nowhere_kept(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey(**WHOLE, expires_in=60.0))
    assert is_key(text)
    assert {field: getattr(key, field) for field in WHOLE} == WHOLE
    assert key.expires_at == key.created_at + 60
    assert (key.created_by, key.parent, key.status(key.created_at)) == ("operator", None, "active")
    assert await keys.get(actor(), key.id) == key
    kept = [await room.rows(table) for table in ("keys", "key_digests", "audit")]
    assert text not in repr(kept)
    assert text.encode() not in b"".join(bytes(row["digest"]) for row in kept[1])
    entry = await room.entry(text)
    assert entry is not None
    assert (entry.until, entry.principal.id) == (key.expires_at, f"key:{key.id}")


async def test_a_key_of_which_nothing_was_said_is_a_users_for_all_models(room: Process) -> None:
    key, _ = await (await room.service()).create(actor(), NewKey())
    assert (key.roles, key.models, key.owner, key.expires_at) == (("user",), (), "operator", None)


async def test_strangers_are_nobody(room: Process) -> None:
    assert await room.entry(new_key()) is None


async def test_all_processes_learn_of_it(room: Process, database_settings: dict[str, Any]) -> None:
    async with process(database_settings) as other:
        keys = await room.service()
        key, text = await keys.create(actor(), NewKey())
        entry = await other.entry(text)
        assert entry is not None
        assert not entry.revoked
        await keys.revoke(actor(), key.id)
        for each in (room, other):
            await each.accounts._directory.refresh()
            entry = each.accounts.known(text)
            assert entry is not None
            assert entry.revoked


async def test_a_rotated_key_is_the_same_and_both_texts_are_good_for_a_while(room: Process) -> None:
    keys = await room.service()
    key, old = await keys.create(actor(), NewKey())
    rotated, new = await keys.rotate(actor(), key.id, Rotation(overlap=60.0))
    assert (rotated.id, rotated.hint != key.hint, new != old) == (key.id, True, True)
    before, after = room.accounts.known(old), room.accounts.known(new)
    assert before is not None
    assert after is not None
    assert before.principal == after.principal
    assert before.until == pytest.approx(room.clock.now() + 60, abs=5)
    again, newest = await keys.rotate(actor(), key.id, Rotation(overlap=0.0))
    assert again.id == key.id
    assert len(await room.rows("key_digests")) == 3  # the two that have ended go with the next rotation
    await keys.rotate(actor(), key.id, Rotation(overlap=3600.0))
    ended, good = room.accounts.known(old), room.accounts.known(newest)
    assert ended is None
    assert good is not None
    assert len(await room.rows("key_digests")) == 2


async def test_rotating_never_gives_an_old_text_more_time(room: Process) -> None:
    keys = await room.service()
    key, old = await keys.create(actor(), NewKey())
    await keys.rotate(actor(), key.id, Rotation(overlap=60.0))
    await keys.rotate(actor(), key.id, Rotation(overlap=86400.0))
    entry = room.accounts.known(old)
    assert entry is not None
    assert entry.until < room.clock.now() + 61


async def test_revoking_takes_all_that_stand_below(room: Process) -> None:
    keys = await room.service()
    top, top_text = await keys.create(actor(), NewKey())
    middle, _ = await keys.create(actor(), NewKey(parent=top.id))
    _, leaf_text = await keys.create(actor(), NewKey(parent=middle.id))
    _, other_text = await keys.create(actor(), NewKey())
    revoked = await keys.revoke(actor(), top.id)
    assert revoked.revoked_at is not None
    assert (await keys.revoke(actor(), top.id)) == revoked
    entries = [room.accounts.known(text) for text in (top_text, leaf_text, other_text)]
    assert [entry.revoked if entry else None for entry in entries] == [True, True, False]
    for act in (
        keys.rotate(actor(), top.id, Rotation()),
        keys.change(actor(), top.id, KeyChange(name="x")),
        keys.create(actor(), NewKey(parent=top.id)),
    ):
        with pytest.raises(Conflict):
            await act


@pytest.mark.parametrize("many", [1, 500])
async def test_revoking_takes_what_an_administrator_s_key_issued(
    room: Process, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(rows, "MANY", many)
    monkeypatch.setattr(module, "MOST_NAMED", 4)
    keys = await room.service()
    _, leaked = await room.issue(roles=("admin",))
    _, deputy = await room.issue(leaked, roles=("admin",))
    made = [await room.issue(by) for by in (leaked, deputy, deputy)]
    below, _ = await room.issue(made[0][1])
    other, _ = await room.issue()
    assert leaked.key is not None
    assert deputy.key is not None
    await keys.revoke(actor(), leaked.key)
    entries = [room.accounts.known(text) for text in (*(text for text, _ in made), below, other)]
    assert [entry.revoked if entry else None for entry in entries] == [True, True, True, True, False]
    assert (await keys.get(actor(), deputy.key)).revoked_at is not None
    [kept] = [row["after"] for row in await room.rows("audit") if row["action"] == "key.revoke"]
    after = json.loads(kept) if isinstance(kept, str) else kept
    gone = [entry.key_id for entry in entries[:4] if entry] + [deputy.key]
    assert (after["keys"], after["others"]) == (6, sorted(gone)[:4])


async def test_what_is_deleted_is_gone_but_for_its_name(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey(**WHOLE))
    child, _ = await keys.create(actor(), NewKey(parent=key.id))
    with pytest.raises(Conflict, match="1 key below it would go on: revoke it first, and that one with it"):
        await keys.delete(actor(), key.id)
    await keys.delete(actor(), child.id)
    await keys.delete(actor(), key.id)
    assert await room.entry(text) is None
    assert (await keys.page(actor(), KeyFilter())).keys == []
    for act in (keys.get(actor(), key.id), keys.delete(actor(), key.id), keys.revoke(actor(), key.id)):
        with pytest.raises(NotFound):
            await act
    [row] = [row for row in await room.rows("keys") if row["id"] == key.id]
    assert (row["name"], row["owner"]) == ("ann's notebook", "ann")
    assert "cost-center" not in repr(row)


async def test_what_is_changed_and_what_is_not(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey(**WHOLE, expires_in=60.0))
    changed = await keys.change(actor(), key.id, KeyChange(team=None, models=("gpt-4",), expires_at=None))
    assert (changed.team, changed.models, changed.expires_at) == (None, ("gpt-4",), None)
    assert changed.name == key.name
    assert await keys.get(actor(), key.id) == changed
    entry = room.accounts.known(text)
    assert entry is not None
    assert entry.principal.models == ("gpt-4",)
    with pytest.raises(InvalidRequest):
        await keys.change(actor(), key.id, KeyChange(expires_at=1.0))


async def test_a_key_that_has_ended_is_known_as_that(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey(expires_in=60.0))
    room.clock.ahead = 61.0
    entry = await room.entry(text)
    assert entry is not None
    assert entry.until < room.clock.now()
    assert (await keys.page(actor(), KeyFilter(status="expired"))).keys == [key]
    with pytest.raises(Conflict):
        await keys.rotate(actor(), key.id, Rotation())
    await keys.change(actor(), key.id, KeyChange(expires_at=None))
    assert (await keys.page(actor(), KeyFilter(status="active"))).keys != []


async def test_pages_and_filters(room: Process) -> None:
    keys = await room.service()
    made = []
    for number in range(5):
        key, _ = await keys.create(actor(), NewKey(name=f"k{number}", team="red" if number % 2 else "blue"))
        made.insert(0, key)
    await keys.revoke(actor(), made[0].id)

    async def ids(**wanted: Any) -> list[str]:
        return [key.id for key in (await keys.page(actor(), KeyFilter(**wanted))).keys]

    first = await keys.page(actor(), KeyFilter(limit=2))
    second = await keys.page(actor(), KeyFilter(limit=2, after=first.keys[-1].id))
    third = await keys.page(actor(), KeyFilter(limit=2, after=second.keys[-1].id))
    assert [key.id for page in (first, second, third) for key in page.keys] == [key.id for key in made]
    assert [page.has_more for page in (first, second, third)] == [True, True, False]
    assert await ids(team="red") == [made[1].id, made[3].id]
    assert await ids(owner="nobody") == []
    assert await ids(status="revoked") == [made[0].id]
    assert len(await ids(status="active")) == 4


async def test_every_deed_stands_in_the_audit_log_and_the_log_stays(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey(name="one"))
    await keys.change(actor(), key.id, KeyChange(name="two"))
    _, new = await keys.rotate(actor(), key.id, Rotation())
    await keys.revoke(actor(), key.id)
    await keys.delete(actor(), key.id)
    log = sorted(await room.rows("audit"), key=lambda row: row["id"])
    assert [row["action"] for row in log] == [
        f"key.{act}" for act in ("create", "update", "rotate", "revoke", "delete")
    ]
    assert {(row["actor"], row["object"], row["request_id"]) for row in log} == {
        ("operator", f"key:{key.id}", "req-1")
    }
    assert text not in repr(log)
    assert new not in repr(log)
    changed = [json.loads(each) if isinstance(each, str) else each for each in (log[1]["before"], log[1]["after"])]
    assert [each["name"] for each in changed] == ["one", "two"]
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="failed"):
            await run(room, statement)
    if "url" in room.database.config.settings:
        with pytest.raises(Exception, match="failed"):
            await run(room, "TRUNCATE audit")
    assert sorted(await room.rows("audit"), key=lambda row: row["id"]) == log


async def run(room: Process, statement: str) -> None:
    from sqlalchemy import text

    async with room.database.writing() as connection:
        await connection.execute(text(statement))


async def test_a_deed_that_can_t_be_recorded_is_not_done(room: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = await room.service()
    key, _ = await keys.create(actor(), NewKey())

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no room for the record")

    monkeypatch.setattr(module, "append", broken)
    with pytest.raises(RuntimeError):
        await keys.revoke(actor(), key.id)
    assert (await keys.get(actor(), key.id)).revoked_at is None


async def test_many_who_change_at_once_come_one_after_the_other(
    room: Process, database_settings: dict[str, Any]
) -> None:
    async with process(database_settings) as other:
        services = [await room.service(), await other.service()]
        await asyncio.gather(*(services[n % 2].create(actor(), NewKey(name=f"{n}")) for n in range(20)))
        versions = [row["version"] for row in await room.rows("keys")]
        assert sorted(versions) == list(range(1, 21))
        await room.accounts._directory.refresh()
        assert len(room.accounts._directory._known) == 20


async def test_another_secret_is_noticed(room: Process, database_settings: dict[str, Any]) -> None:
    _, text = await (await room.service()).create(actor(), NewKey())
    async with process(database_settings, secret=b"t" * 32) as other:
        with pytest.raises(Unavailable):
            await other.entry(text)


async def test_unknown_keys_are_no_reason_to_look_through_all_digests(
    room: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await room.service()).create(actor(), NewKey())
    looked = []
    real = rows.any_of_another_secret

    async def noted(*arguments: Any) -> bool:
        looked.append(arguments)
        return await real(*arguments)

    monkeypatch.setattr(rows, "any_of_another_secret", noted)
    for _ in range(3):
        assert await room.entry(new_key()) is None
    assert looked == []


async def test_when_a_key_was_used_is_written_down(room: Process) -> None:
    keys = await room.service()
    key, text = await keys.create(actor(), NewKey())
    assert await room.entry(text) is not None
    await room.accounts.stop()
    used = (await keys.get(actor(), key.id)).last_used_at
    assert used == pytest.approx(room.clock.now(), abs=5)


async def test_two_processes_that_write_down_the_same_keys_do_not_hold_each_other_up(
    room: Process, database_settings: dict[str, Any]
) -> None:
    keys = await room.service()
    ids = [(await keys.create(actor(), NewKey()))[0].id for _ in range(50)]
    async with process(database_settings) as other:
        await other.service()
        sources = [each.accounts._directory._source for each in (room, other)]
        for at in range(1, 11):
            orders = (ids, ids[::-1])
            await asyncio.gather(
                *(
                    each.note_use({id: at * 1.0 for id in order})
                    for each, order in zip(sources, orders, strict=True)
                )
            )
    assert {row["last_used_at"] for row in await room.rows("keys")} == {10.0}


async def test_who_may_see_and_change_what(room: Process) -> None:
    keys = await room.service()
    _, ann = await room.issue(name="ann")
    _, bob = await room.issue(name="bob")
    own, _ = await keys.create(actor(ann), NewKey(name="ann's own"))
    assert own.parent == ann.key
    assert [key.id for key in (await keys.page(actor(ann), KeyFilter())).keys] == [own.id]
    assert (await keys.page(actor(bob), KeyFilter())).keys == []
    assert ann.key is not None
    assert (await keys.get(actor(ann), ann.key)).id == ann.key
    for id in (own.id, ann.key):
        for act in (
            keys.get(actor(bob), id),
            keys.change(actor(bob), id, KeyChange(name="mine")),
            keys.rotate(actor(bob), id, Rotation()),
            keys.revoke(actor(bob), id),
            keys.delete(actor(bob), id),
            keys.create(actor(bob), NewKey(parent=id)),
        ):
            with pytest.raises(NotFound):
                await act
    with pytest.raises(NotFound):  # the key that one shows is not one's own to change
        await keys.change(actor(ann), ann.key, KeyChange(models=()))
    assert len((await keys.page(actor(MASTER), KeyFilter())).keys) == 3


async def test_a_key_that_is_revoked_meanwhile_issues_none(room: Process) -> None:
    keys = await room.service()
    _, ann = await room.issue()
    assert ann.key is not None
    await keys.revoke(actor(), ann.key)
    with pytest.raises(PermissionDenied):
        await keys.create(actor(ann), NewKey())


async def test_there_is_an_end_to_how_many_and_how_deep(room: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BELOW", 3)
    monkeypatch.setattr(module, "DEEPEST", 3)
    keys = await room.service()
    _, ann = await room.issue()
    for _ in range(3):
        last, _ = await keys.create(actor(ann), NewKey())
    with pytest.raises(Conflict):
        await keys.create(actor(ann), NewKey())
    await keys.revoke(actor(ann), last.id)
    await keys.create(actor(ann), NewKey())
    parent = None
    for _ in range(4):
        key, _ = await keys.create(actor(), NewKey(parent=parent))
        parent = key.id
    with pytest.raises(Conflict):
        await keys.create(actor(), NewKey(parent=parent))
