"""The spool over real files: whose they are, what is left of them, and a disk that takes nothing."""

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.accounts.usage import spool as spools
from app.accounts.usage.schemas import entries, line, name
from app.accounts.usage.spool import Segment, Spool
from tests.unit.accounts.ledger_entries import entry, no_more_files

ENTRIES = [entry() for _ in range(3)]
LINES = [*map(line, ENTRIES)]
ROOM = 2**20


def read(segment: Segment | None) -> list[bytes]:
    assert segment is not None
    return segment.lines(100)


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*"))


@contextmanager
def no_disk_beyond(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes: a write ends there, as it does on a full disk."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_added_is_there_in_its_order_until_it_is_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new", ROOM)
    assert spool.seal(keep=True) is None
    for each in ENTRIES:
        spool.add([each])
    segment = spool.seal(keep=False)
    assert segment is not None
    assert segment.kept == []
    assert segment.lines(2) == LINES[:2]
    assert segment.lines(2) == LINES[2:]
    assert spool.measure() == sum(map(len, LINES))
    segment.delete()
    assert files(tmp_path / "new") == []


def test_only_what_memory_does_not_keep_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MOST_IN_MEMORY", 2)
    spool = Spool(tmp_path, ROOM)
    for each in ENTRIES:
        spool.add([each])
    segment = spool.seal(keep=True)
    assert segment is not None
    assert segment.kept == ENTRIES[:2]
    assert segment.lines(9) == LINES[2:]
    spool.add([ENTRIES[0]])
    assert read(spool.seal(keep=False)) == LINES[:1]


def test_nothing_waits_in_the_process_itself(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.add([ENTRIES[0]])
    assert [path.read_bytes() for path in files(tmp_path)] == [LINES[0]]


def test_a_file_is_taken_over_when_its_process_is_gone_and_not_before(tmp_path: Path) -> None:
    owner, other = Spool(tmp_path, ROOM), Spool(tmp_path, ROOM)
    owner.add([ENTRIES[0]])
    assert list(other.left_behind()) == []
    sealed = owner.seal(keep=False)
    assert list(other.left_behind()) == []
    assert sealed is not None
    sealed.let_go()
    (taken,) = other.left_behind()
    assert read(taken) == [LINES[0]]
    assert not taken.own
    assert list(owner.left_behind()) == []
    taken.delete()


def test_one_that_was_taken_before_it_was_locked_gives_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, locks = Spool(tmp_path, ROOM), iter([False, True])
    monkeypatch.setattr(spools, "_locked", lambda _: next(locks))
    spool.add([ENTRIES[0]])
    assert sorted(path.read_bytes() for path in files(tmp_path)) == [b"", LINES[0]]


def test_lines_that_can_not_be_read_are_given_back() -> None:
    torn = LINES[1][:40]
    found, unreadable = entries([LINES[0], torn])
    assert [line(each) for each in found] == LINES[:1]
    assert unreadable == [torn]


def test_a_full_disk_tears_no_line_and_what_it_does_not_take_is_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.add([ENTRIES[0]])
    with no_disk_beyond(len(LINES[0]) + 10):
        spool.add([ENTRIES[1]])
        spool.add([ENTRIES[2]])
        spool.measure()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert spool.held(1) == ENTRIES[1:2]
    assert spool.held(9) == ENTRIES[2:]
    with caplog.at_level(logging.INFO):
        spool.measure()
    assert "on disk again" in caplog.messages[-1]
    spool.add([ENTRIES[2]])
    assert read(spool.seal(keep=False)) == [LINES[0], LINES[2]]


def test_no_line_is_glued_to_a_torn_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "no")

    spool = Spool(tmp_path, ROOM)
    spool.add([ENTRIES[0]])
    monkeypatch.setattr(os, "ftruncate", fails)
    with no_disk_beyond(len(LINES[0]) + 10):
        spool.add([ENTRIES[1]])
    spool.measure()
    spool.add([ENTRIES[2]])
    assert spool.held(9) == ENTRIES[1:2]
    assert read(spool.seal(keep=False)) == [LINES[0], LINES[2]]


def test_a_folder_that_can_not_be_looked_into_is_as_full_as_it_was(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.add([ENTRIES[0]])
    size = spool.measure()
    with no_more_files():
        assert spool.measure() == size == len(LINES[0])


def test_beyond_the_limit_memory_holds_some_and_the_rest_is_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spools, "MOST_IN_MEMORY", 1)
    spool = Spool(tmp_path, 10)
    spool.add([ENTRIES[0]])
    spool.measure()
    for each in ENTRIES:
        spool.add([each])
    assert spool.lost == 2
    assert spool.held(9) == ENTRIES[:1]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.CRITICAL]
    spool.most_bytes = ROOM
    spool.measure()
    spool.add([ENTRIES[2]])
    assert read(spool.seal(keep=False)) == [LINES[0], LINES[2]]


def test_a_folder_that_can_not_be_made_loses_nothing_at_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    spool = Spool(tmp_path / "file" / "usage", ROOM)
    spool.add([ENTRIES[0]])
    spool.measure()
    assert spool.held(9) == ENTRIES[:1]


def test_a_line_that_an_older_version_wrote_can_be_read() -> None:
    old = (
        b'["id-1",1790000000.0,"req-1","ann","openai_api","chat","gpt","ok",0.5,"key-1","red",null,"cloud","gpt-1",1,'
        b'null,false,null,false,10,5,0,0,0,1000,[["cloud","gpt-1",0.25,0.0,"ok"]]]'
    )
    (found,), unreadable = entries([old])
    assert found == entry(id="id-1", request_id="req-1")
    assert unreadable == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [("gpt", "gpt"), ("a\0b", "a\\x00b"), ("\ud800", "\\ud800"), ("x" * 300, "x" * 255), ("ümläut", "ümläut")],
)
def test_names_of_callers_fit_into_any_database(text: str, kept: str) -> None:
    assert name(text) == kept
