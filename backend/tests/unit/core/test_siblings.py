"""Processes that ask each other, played by several siblings in one folder."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.core import siblings
from app.core.siblings import Siblings, common_folder


@asynccontextmanager
async def family(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *answers: Callable[[bytes], bytes]
) -> AsyncIterator[list[Siblings]]:
    """Each under a number of its own."""
    async with AsyncExitStack() as stack:
        members = []
        for number, answer in enumerate(answers):
            member = Siblings(folder)
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda number=number: number)
                member.answer("t", answer)
                await member.listen()
            stack.push_async_callback(member.close)
            members.append(member)
        yield members


async def test_the_others_are_asked_and_whoever_knows_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    def mine(question: bytes) -> bytes:
        heard.append(question)
        return b"mine"

    long = b"x" * 1_000_000
    async with family(tmp_path, monkeypatch, mine, lambda _: b"", lambda question: question * 2) as members:
        assert await members[0].ask("t", long) == long * 2
        assert heard == []  # nobody asks itself
        assert await members[2].ask("t", b"?") == b"mine"


async def test_all_that_know_of_the_topic_can_be_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with family(tmp_path, monkeypatch, lambda _: b"", lambda _: b"a", lambda _: b"b") as members:
        assert sorted(await members[0].ask_all("t", b"?")) == [b"a", b"b"]
        assert await members[1].ask_all("t") == [b"b"]
        assert await members[0].ask_all("other") == []
        stop = members[1].answer("other", lambda _: b"first")
        members[1].answer("other", lambda _: b"second")
        stop()  # of one that was replaced: no harm
        assert await members[0].ask_all("other") == [b"second"]


def test_there_is_a_room_for_files_where_there_are_several(tmp_path: Path) -> None:
    assert Siblings().room("x") is None
    assert Siblings(tmp_path).room("x") == Siblings(tmp_path).room("x") == tmp_path / "x"
    assert (tmp_path / "x").is_dir()


async def test_nobody_knows_and_nobody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with family(tmp_path, monkeypatch, lambda _: b"", lambda _: b"") as members:
        assert await members[0].ask("t", b"?") == b""
    alone = Siblings()
    alone.answer("t", lambda _: b"never")
    await alone.listen()
    assert await alone.ask("t", b"?") == b""
    await alone.close()


async def test_those_that_died_or_hang_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "ANSWER_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as hanging:
        dead.bind(str(tmp_path / str(2**22 + 1)))
        hanging.bind(str(tmp_path / "hanging"))
        hanging.listen()
        async with family(tmp_path, monkeypatch, lambda _: b"", lambda _: b"known") as members:
            assert await members[0].ask("t", b"?") == b"known"
            assert await members[1].ask("t", b"?") == b""


async def test_a_question_that_never_ends_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "ANSWER_SECONDS", 0.05)
    async with family(tmp_path, monkeypatch, lambda _: b"known"):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "0")
        writer.write(b"half a que")
        assert await reader.read() == b""
        writer.close()


async def test_the_folder_of_a_platform_that_was_killed_goes_when_another_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("killed", "beginning"):
        (tmp_path / f"llm-platform-{name}" / "metrics").mkdir(parents=True)
    (tmp_path / "llm-platform-killed" / "alive").touch()
    (tmp_path / "somebody-else").mkdir()
    with common_folder() as first:
        orphan = Siblings(first)
        await orphan.listen()
        with common_folder() as second:
            there = {each.name for each in tmp_path.iterdir()}
            assert there == {first.name, second.name, "llm-platform-beginning", "somebody-else"}
    await orphan.close()


async def test_who_is_killed_leaves_its_platform_to_the_workers_that_are_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "llm-platform-orphaned"
    folder.mkdir()
    worker = Siblings(folder)
    await worker.listen()
    with common_folder():
        assert folder.exists()
    await worker.close()
    with common_folder():
        assert not folder.exists()


async def test_the_socket_of_one_that_was_killed_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (str(os.getpid()), str(2**22 + 1)):  # above the largest number of a process
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / name))
    assert await Siblings(tmp_path).ask_all("t") == []
    assert [each.name for each in tmp_path.iterdir()] == [str(os.getpid())]
