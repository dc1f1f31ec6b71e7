"""The keys of a process, over a database that a test makes answer, fail or hang; time is virtual."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

import pytest

from app.accounts.keys import directory as module
from app.accounts.keys.directory import (
    FIRST_POLL_SECONDS,
    MOST_WAITING,
    PATIENCE_SECONDS,
    PAUSE_AFTER_FAILURE,
    PAUSE_SECONDS,
    POLL_SECONDS,
    STRANGER_SECONDS,
    TRUST_SECONDS,
    USE_SECONDS,
    KeyDirectory,
    News,
)
from app.accounts.keys.schemas import Key
from app.accounts.keys.snapshot import Known
from app.domain.errors import PlatformError, Unavailable
from app.testing.clock import VirtualClock


def key(id: str, expires_at: float | None = None, revoked_at: float | None = None) -> Key:
    return Key(
        id=id,
        name="",
        owner="ann",
        team="red",
        groups=("g",),
        models=("m*",),
        roles=("user",),
        tier="gold",
        parent=None,
        metadata={},
        hint="",
        created_at=1.0,
        created_by="operator",
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=None,
    )


class Database:
    """`rows`: each key with the version of its last change. `asked`: the digests of each question."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, Known]] = {}
        self.version = 0
        self.others = False
        self.failing = False
        self.hold: asyncio.Event | None = None
        self.asked: list[set[bytes]] = []
        self.used: dict[str, float] = {}

    def put(self, key: Key, *digests: bytes, until: Mapping[bytes, float] | None = None) -> None:
        self.version += 1
        known = Known(key, {**dict.fromkeys(digests), **(until or {})})
        self.rows[key.id] = (self.version, known)

    async def news(self, since: int | None, digests: Iterable[bytes]) -> News:
        wanted = set(digests)
        self.asked.append(wanted)
        if self.hold is not None:
            await self.hold.wait()
        if self.failing:
            raise Unavailable("down")
        known = [
            each
            for version, each in self.rows.values()
            if since is None or version > since or not wanted.isdisjoint(each.digests)
        ]
        return News(self.version, known, self.others)

    async def note_use(self, used: Mapping[str, float]) -> None:
        if self.failing:
            raise Unavailable("down")
        self.used.update(used)


class Room:
    def __init__(self) -> None:
        self.database = Database()
        self.clock = VirtualClock()
        self.directory = KeyDirectory(self.database, self.clock)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_known_key_is_no_question(room: Room) -> None:
    room.database.put(key("a"), b"1")
    await room.directory.refresh()
    for _ in range(100):
        entry = room.directory.get(b"1")
        assert entry is not None
    assert len(room.database.asked) == 1
    principal = entry.principal
    assert (principal.id, principal.key, principal.team, principal.tier) == ("key:a", "a", "red", "gold")
    assert (principal.groups, principal.models, principal.roles) == (("g",), ("m*",), {"user"})


async def test_what_another_process_changes_is_seen_at_the_next_poll(room: Room) -> None:
    room.database.put(key("a"), b"1")
    await room.directory.start()
    await room.clock.advance(FIRST_POLL_SECONDS)
    assert room.directory.get(b"1") is not None
    room.database.put(key("a", revoked_at=5.0), b"1")
    room.database.put(key("b"), b"2")
    await room.clock.advance(POLL_SECONDS)
    revoked, new = room.directory.get(b"1"), room.directory.get(b"2")
    assert revoked is not None
    assert revoked.revoked
    assert new is not None
    room.database.put(key("b"))  # deleted: nothing recognises it any more
    await room.clock.advance(POLL_SECONDS)
    assert room.directory.get(b"2") is None
    await room.directory.stop()


async def test_while_a_key_is_rotated_both_texts_are_good_each_for_its_time(room: Room) -> None:
    room.database.put(key("a", expires_at=200.0), b"new", until={b"old": 100.0})
    await room.directory.refresh()
    old, new = room.directory.get(b"old"), room.directory.get(b"new")
    assert old is not None
    assert new is not None
    assert (old.until, new.until, old.principal) == (100.0, 200.0, new.principal)


async def test_a_key_that_is_not_known_is_looked_up_once(room: Room) -> None:
    await room.directory.refresh()
    room.database.put(key("a"), b"1")
    found = await asyncio.gather(*(room.directory.find(b"1") for _ in range(50)))
    assert all(entry is not None for entry in found)
    assert room.database.asked[1:] == [{b"1"}]


async def test_a_flood_of_strange_keys_is_no_flood_of_questions(room: Room) -> None:
    await room.directory.refresh()
    room.database.hold = asyncio.Event()
    asking = [asyncio.create_task(room.directory.find(b"first"))]
    await turns()  # it is being asked for; all others wait
    asking += [asyncio.create_task(room.directory.find(b"%d" % number)) for number in range(MOST_WAITING)]
    await turns()
    with pytest.raises(Unavailable):
        await room.directory.find(b"one too many")
    room.database.hold.set()
    await room.clock.advance(PAUSE_SECONDS)
    assert set(await asyncio.gather(*asking)) == {None}
    assert len(room.database.asked) == 3
    assert await room.directory.find(b"7") is None
    assert len(room.database.asked) == 3  # it is remembered
    await room.clock.advance(STRANGER_SECONDS)
    assert await room.directory.find(b"7") is None
    assert room.database.asked[-1] == {b"7"}


async def test_what_is_remembered_of_strangers_has_an_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STRANGERS", 3)
    for number in range(10):
        assert await room.directory.find(b"%d" % number) is None
        await room.clock.advance(PAUSE_SECONDS)
    assert len(room.directory._strangers) == 3


async def test_what_is_known_of_keys_has_an_end_and_the_others_are_looked_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.directory._known, "_most", 3)
    for number in range(10):
        room.database.put(key(f"k{number}"), b"%d" % number)
    await room.directory.refresh()
    assert sum(room.directory.get(b"%d" % number) is not None for number in range(10)) == 3
    assert await room.directory.find(b"0") is not None


async def test_without_the_database_known_keys_serve_for_a_while_and_no_other_does(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    room.database.put(key("a"), b"1")
    await room.directory.start()
    await room.clock.advance(FIRST_POLL_SECONDS)
    room.database.failing = True
    with pytest.raises(Unavailable):
        await room.directory.find(b"2")
    await room.clock.advance(TRUST_SECONDS - 1)
    assert room.directory.get(b"1") is not None
    await room.clock.advance(2)
    assert room.directory.get(b"1") is None
    with pytest.raises(Unavailable):
        await room.directory.find(b"1")
    room.database.failing = False
    await room.clock.advance(POLL_SECONDS)
    assert room.directory.get(b"1") is not None
    await room.directory.stop()
    assert len(caplog.records) == 2  # that it does not answer, and that it does again


@pytest.mark.parametrize(("comes_after", "lines"), [(PATIENCE_SECONDS - 2, 0), (PATIENCE_SECONDS + 3, 2)])
async def test_a_database_has_a_while_to_start_before_the_log_says_that_it_is_away(
    room: Room, caplog: pytest.LogCaptureFixture, comes_after: float, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    room.database.failing = True
    await room.directory.start()
    await room.clock.advance(comes_after)
    room.database.failing = False
    await room.clock.advance(POLL_SECONDS)
    await room.directory.stop()
    assert len(caplog.records) == lines


async def test_a_database_that_failed_is_left_alone_for_a_moment(room: Room) -> None:
    room.database.failing = True
    for _ in range(10):
        with pytest.raises(Unavailable):
            await room.directory.find(b"1")
    assert len(room.database.asked) == 1
    await room.clock.advance(PAUSE_AFTER_FAILURE + PAUSE_SECONDS)
    room.database.failing = False
    assert await room.directory.find(b"1") is None


async def test_a_defect_in_a_question_lets_nobody_in(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> News:
        raise RuntimeError("a defect")

    room.database.put(key("a"), b"1")
    monkeypatch.setattr(room.database, "news", broken)
    with pytest.raises(PlatformError):
        await room.directory.find(b"1")


async def test_keys_of_another_secret_are_doubt_not_refusal(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.database.others = True
    with pytest.raises(Unavailable):
        await room.directory.find(b"1")
    await room.clock.advance(PAUSE_SECONDS)
    with pytest.raises(Unavailable):
        await room.directory.find(b"1")
    assert len(caplog.records) == 1
    room.database.others = False
    await room.clock.advance(PAUSE_SECONDS)
    assert await room.directory.find(b"1") is None


async def test_an_older_copy_of_the_database_is_loaded_anew(room: Room) -> None:
    room.database.put(key("a"), b"1")
    room.database.put(key("b"), b"2")
    await room.directory.refresh()
    del room.database.rows["b"]
    room.database.version = 1
    await room.directory.refresh()
    await room.directory.refresh()
    assert room.directory.get(b"1") is not None
    assert room.directory.get(b"2") is None


async def test_who_leaves_takes_nobody_with_him(room: Room) -> None:
    room.database.hold = asyncio.Event()
    room.database.put(key("a"), b"1")
    leaving, staying = (asyncio.create_task(room.directory.find(b"1")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    room.database.hold.set()
    assert await staying is not None


async def test_when_keys_were_used_is_written_down_now_and_then_and_at_the_end(room: Room) -> None:
    room.database.put(key("a"), b"1")
    room.database.put(key("b"), b"2")
    await room.directory.start()
    await room.clock.advance(FIRST_POLL_SECONDS)
    room.directory.get(b"1")
    used = room.clock.now()
    await room.clock.advance(USE_SECONDS + POLL_SECONDS)
    assert room.database.used == {"a": used}
    room.database.failing = True
    room.directory.get(b"2")
    await room.clock.advance(USE_SECONDS + POLL_SECONDS)
    room.database.failing = False
    await room.directory.stop()
    assert room.database.used.keys() == {"a", "b"}
