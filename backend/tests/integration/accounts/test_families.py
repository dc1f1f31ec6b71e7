"""Keys and those issued below them: one caller to the limits, and one purse to the budgets."""

from app.accounts.keys import repository as rows
from app.accounts.keys.schemas import NewKey
from app.accounts.limits.families import Families
from tests.integration.accounts.rooms import Process, actor


async def test_all_below_a_key_count_as_one(room: Process) -> None:
    keys = await room.service()
    top, _ = await keys.create(actor(), NewKey())
    middle, _ = await keys.create(actor(), NewKey(parent=top.id))
    leaf, text = await keys.create(actor(), NewKey(parent=middle.id))
    _, other = await keys.create(actor(), NewKey())
    entries = [await room.entry(each) for each in (text, other)]
    assert entries[0] is not None
    assert entries[1] is not None
    principal = entries[0].principal
    assert (principal.line, principal.holder) == ((top.id, middle.id, leaf.id), f"key:{top.id}")
    assert entries[1].principal.holder == entries[1].principal.id

    async def paths() -> list[str]:
        async with room.accounts.store.reading() as connection:
            return await rows.paths(connection)

    await keys.revoke(actor(), leaf.id)  # what it has spent is spent
    families = Families(paths)
    await families.refresh()
    assert set(families.of(top.id)) == {top.id, middle.id, leaf.id}
    assert set(families.of(middle.id)) == {middle.id, leaf.id}
    assert set(families.of(leaf.id)) == {leaf.id}
