"""The writer over a real spool, and a database that does as the test wants."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.accounts.usage.schemas import Entry, line
from app.accounts.usage.spool import Segment, Spool
from app.accounts.usage.writer import BATCH, REJECTED, Writer
from app.domain.errors import Unavailable, UpstreamTimeout
from tests.unit.accounts.ledger_entries import entry, no_more_files


class Room:
    """`taken`: what the database has, batch by batch. `most`: the entries of a batch that it takes in time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[list[Entry]] = []
        self.tried: list[int] = []
        self.most = BATCH
        self.spool = Spool(folder, 2**30)
        self.writer = Writer(self.spool, self.write, lambda _: False, lambda _: None)

    async def write(self, entries: Sequence[Entry]) -> None:
        self.tried.append(len(entries))
        if len(entries) > self.most:
            raise Unavailable("slow") from UpstreamTimeout("slow", provider="database")
        self.taken.append(list(entries))

    def record(self, count: int) -> list[Entry]:
        sent = [entry() for _ in range(count)]
        for each in sent:
            self.spool.add([each])
        return sent

    @property
    def ids(self) -> list[str]:
        return [each.id for batch in self.taken for each in batch]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_a_process_that_can_open_no_file_loses_nothing(room: Room) -> None:
    sent = room.record(3 * BATCH)
    with no_more_files():
        assert await room.writer.turn()
    assert room.ids == [each.id for each in sent]
    assert list(room.folder.iterdir()) == []


async def test_what_was_written_at_once_was_never_read_and_what_waited_long_is_not_kept_in_memory(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.accounts.usage.writer.SEGMENT_BYTES", 0)
    read: list[bytes] = []
    whole = Segment.lines

    def lines(segment: Segment, most: int) -> list[bytes]:
        found = whole(segment, most)
        read.extend(found)
        return found

    monkeypatch.setattr(Segment, "lines", lines)
    sent = room.record(3)
    assert await room.writer.turn()
    assert read == []
    room.most = 0
    for _ in range(3):
        sent += room.record(2)
        assert not await room.writer.turn()
    assert [len(segment.kept) for segment in room.writer._segments] == [2, 0, 0]
    room.most = BATCH
    assert await room.writer.turn()
    assert room.ids == [each.id for each in sent]


async def test_a_file_that_can_not_be_read_stays_and_keeps_no_other_out(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (room.folder / "bad.usage").write_bytes(line(entry(id="later")))
    (sent,) = room.record(1)
    whole = Segment.lines

    def lines(segment: Segment, most: int) -> list[bytes]:
        if segment.path.name == "bad.usage":
            raise OSError(5, "Input/output error")
        return whole(segment, most)

    with monkeypatch.context() as patched:
        patched.setattr(Segment, "lines", lines)
        assert not await room.writer.turn()
    assert room.ids == [sent.id]
    assert "bad.usage, which can't be read: Input/output error" in caplog.text
    assert room.writer.look_for_orphans()
    assert await room.writer.turn()
    assert room.ids == [sent.id, "later"]


async def test_only_a_line_without_an_end_is_torn_and_others_are_put_aside(room: Room) -> None:
    (room.folder / "left.usage").write_bytes(b"{}\n" + line(entry(id="good")) + b'["torn')
    assert await room.writer.turn()
    assert room.ids == ["good"]
    assert [path.name for path in room.folder.iterdir()] == [REJECTED]
    assert (room.folder / REJECTED).read_bytes() == b"{}\n"


async def test_a_batch_that_takes_too_long_gets_smaller_and_grows_again(room: Room) -> None:
    sent = room.record(3 * BATCH)
    room.most = BATCH // 3
    turns = 1
    while not await room.writer.turn():
        turns += 1
        assert turns < 50
    assert room.tried[:3] == [BATCH, BATCH // 2, BATCH // 4]
    assert room.ids == [each.id for each in sent]
    room.most = BATCH
    sent = room.record(9 * BATCH)
    assert await room.writer.turn()
    assert room.tried[-2] == BATCH
