"""What a model name means."""

from collections.abc import Sequence

import pytest

from app.domain.errors import ModelNotFound, UpstreamUnavailable
from app.domain.models import ModelInfo
from app.inference.catalog import Catalog, LiveCatalog, Route, Source
from app.testing.providers import ScriptedProvider


def source(name: str, *models: str, serving: bool = True, priority: int = 100, open_: bool = False) -> Source:
    provider = ScriptedProvider([], name=name, models=models)
    provider.accepts_unlisted = open_
    return Source(source=provider, serving=serving, priority=priority)


CATALOG = Catalog(
    [
        source("cloud", "big", "llama", open_=True, priority=50),
        source("ollama", "llama", "org/tiny:1b"),
        source("asleep", "dozy", serving=False),
    ],
    {"fast": [Route(integration="ollama", model="llama"), Route(integration="missing", model="x")]},
)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("fast", ["ollama/llama"]),
        ("llama", ["cloud/llama", "ollama/llama"]),
        ("ollama/llama", ["ollama/llama"]),
        ("org/tiny:1b", ["ollama/org/tiny:1b"]),
        ("ollama/org/tiny:1b", ["ollama/org/tiny:1b"]),
        ("cloud/brand-new", ["cloud/brand-new"]),
        ("publishers/acme/models/big", ["cloud/big"]),
        ("publishers/acme/models/ollama/llama", ["ollama/llama"]),
    ],
)
def test_names_and_their_targets(name: str, targets: list[str]) -> None:
    assert [f"{each.integration}/{each.model}" for each in CATALOG.resolve(name)] == targets


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "ollama/", "/llama", "ollama/unknown", "../big", "publishers/acme/models/", "publishers/big"],
)
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        CATALOG.resolve(name)
    assert caught.value.param == "model"


def test_a_model_whose_integration_sleeps_is_still_listed() -> None:
    shown = {entry.name: entry.serving for entry in CATALOG.entries()}
    assert shown == {"fast": True, "big": True, "llama": True, "org/tiny:1b": True, "dozy": False}


def test_a_source_that_cannot_tell_its_models_keeps_the_last_ones_and_hurts_no_other() -> None:
    class Moody(ScriptedProvider):
        broken = False

        def models(self) -> Sequence[ModelInfo]:
            if self.broken:
                raise OSError("disk")
            return super().models()

    moody = Moody([], name="moody", models=["m"])
    sources = [Source(source=moody, serving=True)]
    live = LiveCatalog(lambda: sources)
    live.rebuild()
    moody.broken = True
    sources.append(source("ollama", "llama"))
    live.rebuild()
    assert [entry.name for entry in live.current.entries()] == ["m", "llama"]


def test_a_watcher_that_raises_stops_no_other_and_may_leave_twice() -> None:
    live = LiveCatalog(list)
    heard: list[int] = []

    def fail() -> None:
        raise ValueError

    live.watch(fail)
    leave = live.watch(lambda: heard.append(1))
    live.rebuild()
    leave()
    leave()
    live.rebuild()
    assert heard == [1]


def test_an_integration_that_goes_down_keeps_its_models_as_unavailable() -> None:
    up = source("ollama", "llama")
    sources = [up]
    live = LiveCatalog(lambda: sources)
    live.rebuild()
    sources[:] = [source("ollama", serving=False)]
    live.rebuild()
    assert [(entry.name, entry.serving) for entry in live.current.entries()] == [("llama", False)]
    with pytest.raises(UpstreamUnavailable):
        live.current.resolve("llama")


def test_a_providers_own_other_names_are_understood_and_not_listed() -> None:
    class Tagged(ScriptedProvider):
        def models(self) -> list[ModelInfo]:
            return [ModelInfo(id="llama:latest", provider=self.name, aliases=("llama",))]

    catalog = Catalog(
        [Source(source=Tagged([], name="ollama"), serving=True)],
        {"x": [Route(integration="ollama", model="llama")]},
    )
    assert [entry.name for entry in catalog.entries()] == ["x", "llama:latest"]
    for name in ("llama", "ollama/llama", "x", "llama:latest"):
        assert catalog.resolve(name)[0].model == "llama:latest"
