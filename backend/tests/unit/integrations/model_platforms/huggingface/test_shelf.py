"""Where pulled files are put, beside which others, and what of them goes again."""

import os
import time
from pathlib import Path

import pytest

from app.domain.errors import Conflict
from app.integrations.model_platforms.huggingface.choosing import Choice
from app.integrations.model_platforms.huggingface.names import Wanted
from app.integrations.model_platforms.huggingface.repository import RemoteFile, Repository
from app.integrations.model_platforms.huggingface.shelf import FILES, FORGOTTEN_SECONDS, Plan, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def planned(shelf: Shelf, repository: str, *names: str, folder: bool = False, content: bytes = b"whole") -> Plan:
    """As a pull has decided."""
    files = tuple(RemoteFile(name=name, size=len(content), sha256=content.hex()) for name in names)
    choice = Choice(files=files, format="gguf", why="", quantization="Q8_0", folder=folder)
    return shelf.make_plan(Repository(id=repository, commit="c"), choice)


def fetched(shelf: Shelf, wanted: Wanted, plan: Plan, content: bytes = b"whole") -> None:
    """As a pull leaves it when everything is there."""
    shelf.keep_plan(wanted, plan)
    ready = shelf.partial(wanted) / FILES
    ready.mkdir()
    for name in plan.receipt.names:
        (ready / Path(name).name).write_bytes(content)


def put(shelf: Shelf, repository: str, *names: str, folder: bool = False, content: bytes = b"whole") -> Plan:
    wanted, plan = Wanted(repository), planned(shelf, repository, *names, folder=folder, content=content)
    fetched(shelf, wanted, plan, content)
    shelf.place(wanted, plan)
    assert shelf.has(plan)
    return plan


def visible(shelf: Shelf) -> list[str]:
    found = (path.relative_to(shelf.root) for path in shelf.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".hub")


SPLIT = ("q/big-00001-of-00002.gguf", "q/big-00002-of-00002.gguf")


@pytest.mark.parametrize(
    ("names", "folder", "where"),
    [
        (("m.gguf",), False, ["m.gguf"]),
        (SPLIT, False, ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]),
        (("model.safetensors", "config.json"), True, ["m/config.json", "m/model.safetensors"]),
    ],
)
def test_what_is_put_where_and_deleted(
    shelf: Shelf, names: tuple[str, ...], folder: bool, where: list[str]
) -> None:
    put(shelf, "org/m", *names, folder=folder)
    assert visible(shelf) == where
    assert not list((shelf.root / ".hub" / "partial").iterdir())
    put(shelf, "org/m", *names, folder=folder, content=b"newer")
    assert visible(shelf) == where
    assert shelf.delete(Wanted("org/m"))
    assert list(shelf.root.iterdir()) == [shelf.root / ".hub"]
    assert not shelf.delete(Wanted("org/m"))


def test_two_of_one_name_stay_apart_and_what_is_somebody_else_s_stays(shelf: Shelf) -> None:
    (shelf.root / "mine.gguf").touch()
    put(shelf, "org/m", "m.gguf")
    put(shelf, "other/m", "m.gguf")
    put(shelf, "m", "m.gguf")
    put(shelf, "org/m", "mine.gguf")
    put(shelf, "other/s", *SPLIT)
    put(shelf, "org/s", *SPLIT)
    assert visible(shelf) == [
        "big-00001-of-00002.gguf",
        "big-00002-of-00002.gguf",
        "hub-m-m.gguf",
        "m.gguf",
        "mine.gguf",
        "org-m-mine.gguf",
        "org-s-big-00001-of-00002.gguf",
        "org-s-big-00002-of-00002.gguf",
        "other-m-m.gguf",
    ]
    assert shelf.delete(Wanted("org/m"))
    assert [name for name in visible(shelf) if name.endswith("m.gguf") or "mine" in name] == [
        "hub-m-m.gguf",
        "mine.gguf",
        "other-m-m.gguf",
    ]


@pytest.mark.parametrize(("file", "goes"), [("Q8_0", True), ("q8_0", True), ("m.gguf", True), ("Q4_K_M", False)])
def test_one_quantisation_or_file_is_deleted(shelf: Shelf, file: str, goes: bool) -> None:
    put(shelf, "org/m", "m.gguf")
    assert shelf.delete(Wanted("org/m", None, file)) is goes
    assert visible(shelf) == ([] if goes else ["m.gguf"])


def test_placing_goes_on_where_it_broke_off(shelf: Shelf) -> None:
    wanted, plan = Wanted("org/s"), planned(shelf, "org/s", *SPLIT)
    fetched(shelf, wanted, plan)
    with pytest.MonkeyPatch.context() as dying:
        dying.setattr("shutil.rmtree", _die)
        with pytest.raises(SystemExit):
            shelf.place(wanted, plan)
    assert shelf.plan_of(wanted) == plan
    shelf.place(wanted, plan)
    assert visible(shelf) == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]


def _die(*_: object, **__: object) -> None:
    raise SystemExit


def test_what_came_there_meanwhile_is_not_replaced(shelf: Shelf) -> None:
    wanted, plan = Wanted("org/m"), planned(shelf, "org/m", "m.gguf")
    fetched(shelf, wanted, plan)
    (shelf.root / "m.gguf").write_bytes(b"mine")
    with pytest.raises(Conflict):
        shelf.place(wanted, plan)
    assert (shelf.root / "m.gguf").read_bytes() == b"mine"


def test_what_was_changed_here_is_not_had(shelf: Shelf) -> None:
    plan = put(shelf, "org/m", "m.gguf")
    (shelf.root / "m.gguf").write_bytes(b"cut")
    assert not shelf.has(plan)
    (shelf.root / "m.gguf").unlink()
    assert not shelf.has(plan)


def test_what_is_left_of_a_pull_is_forgotten_after_a_week(shelf: Shelf) -> None:
    old, young = Wanted("org/old"), Wanted("org/young")
    for wanted in (old, young):
        fetched(shelf, wanted, planned(shelf, wanted.repository, "m.gguf"))
    past = time.time() - FORGOTTEN_SECONDS - 1
    for path in (shelf.partial(old), *shelf.partial(old).rglob("*")):
        os.utime(path, (past, past))
    assert shelf.plan_of(young) is not None
    assert not shelf.partial(old).exists()
    assert shelf.plan_of(old) is None
