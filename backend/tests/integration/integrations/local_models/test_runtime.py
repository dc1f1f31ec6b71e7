"""What we rely on xllamacpp for, so that a new version that behaves otherwise is noticed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Server, ServerSpec, open_server

LONG = b'{"messages":[{"role":"user","content":"pod"}],"stream":true,"ignore_eos":true,"return_progress":true}'
# An architecture that there is not.
BROKEN = DEMO_PATH.read_bytes().replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0llamb", 1)


def spec(path: Path = DEMO_PATH) -> ServerSpec:
    return ServerSpec(
        files=(path,), alias="demo", mode="generation", context=1024, slots=2, threads=1, gpu_layers=0
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server, door = open_server(spec())
    yield server
    door.close()


@pytest.mark.parametrize("wanted", [1, 2, 10])
def test_an_answer_ends_when_its_reader_says_so(server: Server, wanted: int) -> None:
    found: list[bytes] = []

    def read(chunk: bytes) -> bool:
        found.append(chunk)
        return len(found) == wanted

    server.handle_chat_completions(LONG, read)
    assert len(found) == wanted
    assert type(found[0]) is bytes


def test_reading_the_prompt_is_told_before_the_first_word(server: Server) -> None:
    """That is where an answer can be stopped early."""
    found: list[dict[str, object]] = []

    def read(chunk: bytes) -> bool:
        found.append(msgspec.json.decode(chunk))
        return True

    server.handle_chat_completions(LONG, read)
    assert "prompt_progress" in found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the caught signals in /proc")
def test_signals_are_left_to_the_platform() -> None:
    """Earlier versions took SIGINT and SIGTERM for themselves. In a process of its own: others may take them."""
    code = f"import {__name__} as here; here.tell_caught_signals()"
    path = os.pathsep.join(sys.path)
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True
    )
    assert not int(told.stdout, 16) & 1 << 14


def tell_caught_signals() -> None:
    _, door = open_server(spec())
    caught = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("SigCgt"))
    sys.stdout.write(caught.split()[1])
    door.close()


def test_many_servers_come_and_go(tmp_path: Path) -> None:
    """One that is let go at once used to hang for ever; one after a failed load too."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(BROKEN)
    for _ in range(8):
        with pytest.raises(LoadFailed):
            open_server(spec(broken))
        _, door = open_server(spec())
        door.close()


def test_no_file_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of one that is closed, nor of one that nobody waited for, nor of one that did not come."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server, door = open_server(spec())
    assert len(os.listdir(tmp_path)) == 1
    door.close()
    assert os.listdir(tmp_path) == []
    del server, door
    open_server(spec())
    assert os.listdir(tmp_path) == []
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(BROKEN)
    with pytest.raises(LoadFailed):
        open_server(spec(broken))
    assert os.listdir(tmp_path) == [broken.name]
