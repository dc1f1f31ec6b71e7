"""What a model name means."""

from collections.abc import Sequence

import pytest

from app.domain.errors import ModelNotFound
from app.domain.models import ModelInfo
from app.inference.catalog import Catalog, LiveCatalog, Source
from app.inference.policy import ModelPolicy
from app.inference.routes import ConfiguredModel, Route, Routing
from app.testing.providers import ScriptedProvider


def source(name: str, *models: str, serving: bool = True, priority: int = 100, open_: bool = False) -> Source:
    provider = ScriptedProvider([], name=name, models=models)
    provider.accepts_unlisted = open_
    return Source(source=provider, serving=serving, priority=priority)


PATIENT = ModelPolicy(retries=0)
CATALOG = Catalog(
    [
        source("cloud", "big", "llama", open_=True, priority=50),
        source("ollama", "llama", "org/tiny:1b"),
        source("asleep", "dozy", serving=False),
    ],
    Routing(
        models={
            "fast": ConfiguredModel(
                routes=[Route(integration="ollama", model="llama"), Route(integration="missing", model="x")]
            ),
            "gpt-*": ConfiguredModel(routes=[Route(integration="cloud", model="gpt-*")], policy=PATIENT),
            "gpt-*-mini": ConfiguredModel(routes=[Route(integration="cloud", model="small/*:*")]),
            "b*g": ConfiguredModel(routes=[Route(integration="ollama", model="patterned")]),
        },
        aliases={"quick": "fast", "direct": "ollama/llama", "four": "gpt-4", "loose": "nothing", "fast": "big"},
    ),
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
        ("publishers/acme/models/org/tiny:1b", ["ollama/org/tiny:1b"]),
        ("quick", ["ollama/llama"]),
        ("direct", ["ollama/llama"]),
        ("gpt-5", ["cloud/gpt-5"]),
        ("four", ["cloud/gpt-4"]),
        ("gpt-5-mini", ["cloud/small/5:5"]),
        ("publishers/acme/models/gpt-5", ["cloud/gpt-5"]),
        ("cloud/gpt-5-mini", ["cloud/gpt-5-mini"]),
        ("big", ["ollama/patterned"]),
        ("publishers/acme/models/ollama/llama", ["ollama/llama"]),
    ],
)
def test_names_and_their_targets(name: str, targets: list[str]) -> None:
    assert [f"{each.integration}/{each.model}" for each in CATALOG.resolve(name)] == targets


def test_a_pattern_brings_its_policy_and_one_budget_for_all_its_names() -> None:
    one, other = CATALOG.entry("gpt-one"), CATALOG.entry("gpt-two")
    assert one.policy is PATIENT
    assert one.budget is other.budget
    assert CATALOG.entry("gpt-one") is one


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "ollama/",
        "/llama",
        "ollama/unknown",
        "../big",
        "publishers/acme/models/",
        "publishers/big",
        "loose",
        "gpt-",
    ],
)
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        CATALOG.resolve(name)
    assert caught.value.param == "model"


def test_a_model_whose_integration_sleeps_is_still_listed() -> None:
    shown = {entry.name: entry.serving for entry in CATALOG.entries()}
    assert shown == {
        "fast": True,
        "quick": True,
        "direct": True,
        "four": True,
        "big": True,
        "llama": True,
        "org/tiny:1b": True,
        "dozy": False,
    }


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
    assert live.current.resolve("llama") == ()


def test_a_providers_own_other_names_are_understood_and_not_listed() -> None:
    class Tagged(ScriptedProvider):
        def models(self) -> list[ModelInfo]:
            return [ModelInfo(id="llama:latest", provider=self.name, aliases=("llama",))]

    catalog = Catalog(
        [Source(source=Tagged([], name="ollama"), serving=True)],
        Routing(models={"x": ConfiguredModel(routes=[Route(integration="ollama", model="llama")])}),
    )
    assert [entry.name for entry in catalog.entries()] == ["x", "llama:latest"]
    for name in ("llama", "ollama/llama", "x", "llama:latest"):
        assert catalog.resolve(name)[0].model == "llama:latest"
