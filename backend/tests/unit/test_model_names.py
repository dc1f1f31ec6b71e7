"""Names of the configuration that lead nowhere are told once, and not before that is certain."""

import logging
from pathlib import Path

import pytest

from app.inference.catalog import LiveCatalog, Source
from app.model_names import NameWatch
from app.routing import routing
from app.settings import LoadedSettings, load_settings
from app.testing.providers import ScriptedProvider

CONFIGURATION = """\
models:
  fast:
    targets: [ollama/llama, cloud/anything, ollama/gone]
    fallbacks: [cloud/new, nobody, llama]
aliases:
  quick: chain
  chain: fast
  lost: nothing
routing: {fallbacks: [quick]}
"""
LINES = [
    "names.yaml:8: aliases.lost: no integration has a model 'nothing'",
    "names.yaml:4: models.fast.fallbacks[1]: no integration has a model 'nobody'",
    "names.yaml:3: models.fast.targets[2].target: 'ollama' has no model 'gone' now",
]


class Room:
    def __init__(self, loaded: LoadedSettings) -> None:
        self.serving = True
        self.ollama = ScriptedProvider([], name="ollama", models=("llama",))
        self.cloud = ScriptedProvider([], name="cloud", models=("big",))
        self.cloud.accepts_unlisted = True
        self.catalog = LiveCatalog(self.sources, routing(loaded.settings))
        self.catalog.watch(NameWatch(self.catalog, lambda: loaded).look)

    def sources(self) -> list[Source]:
        return [Source(source=self.ollama, serving=True), Source(source=self.cloud, serving=self.serving)]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Room:
    monkeypatch.chdir(tmp_path)
    Path("names.yaml").write_text(CONFIGURATION)
    caplog.set_level(logging.WARNING)
    return Room(load_settings(Path("names.yaml"), {}, {}))


def test_each_is_told_once(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.catalog.rebuild()
    room.catalog.rebuild()
    assert caplog.messages == LINES


def test_an_alias_of_an_alias_leads_where_that_does(room: Room) -> None:
    room.catalog.rebuild()
    ends = {name: room.catalog.current.entry(name).targets for name in ("quick", "chain", "fast")}
    assert ends["quick"] == ends["chain"] == ends["fast"]


def test_what_one_that_is_down_may_have_is_not_told(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.serving = False
    room.catalog.rebuild()
    assert caplog.messages == LINES[2:]
    room.serving = True
    room.catalog.rebuild()
    assert sorted(caplog.messages) == sorted(LINES)


def test_one_that_has_not_listed_its_models_yet_may_have_them(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.cloud = ScriptedProvider([], name="cloud", models=())
    room.cloud.accepts_unlisted = True
    room.catalog.rebuild()
    assert caplog.messages == LINES[2:]
