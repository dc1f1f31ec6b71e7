"""The snapshot of a server's models, over a client whose answers are known."""

import asyncio
from collections.abc import Sequence

import pytest

from app.domain.errors import InvalidRequest, ModelNotFound, UpstreamError, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelUnloaded
from app.integrations.model_platforms.ollama.client import Installed, OllamaClient, Running, Shown
from app.integrations.model_platforms.ollama.library import ModelLibrary
from app.integrations.model_platforms.ollama.settings import OllamaSettings


class Client(OllamaClient):
    def __init__(self, *names: str) -> None:
        self.installed = [Installed(name=name, digest=f"{name}-1") for name in names]
        self.running: list[Running] = []
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def tags(self) -> list[Installed]:
        self.asked.append("tags")
        return self.installed

    async def ps(self) -> list[Running]:
        self.asked.append("ps")
        return self.running

    async def show(self, model: str) -> Shown:
        self.asked.append(f"show {model}")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        return Shown(capabilities=["completion"])


class Changes:
    def __init__(self) -> None:
        self.count = 0
        self.events: list[ModelLoaded | ModelUnloaded] = []

    def __call__(self, events: Sequence[ModelLoaded | ModelUnloaded]) -> None:
        self.count += 1
        self.events += events


def library(client: Client, changes: Changes, **settings: object) -> ModelLibrary:
    checked = OllamaSettings.model_validate(settings)
    return ModelLibrary(client, provider="ollama", settings=checked, changed=changes)


async def test_a_model_is_shown_once_until_its_digest_changes() -> None:
    client, changes = Client("a:1b", "b:1b"), Changes()
    models = library(client, changes)
    await models.refresh()
    await models.refresh()
    assert client.asked == ["tags", "ps", "show a:1b", "show b:1b", "tags", "ps"]
    assert changes.count == 1
    client.installed[0] = Installed(name="a:1b", digest="a:1b-2")
    await models.refresh()
    assert client.asked[-1] == "show a:1b"
    assert changes.count == 2


async def test_what_is_loaded_and_what_is_gone_are_changes() -> None:
    client, changes = Client("a:1b", "b:1b"), Changes()
    models = library(client, changes)
    await models.refresh()
    client.running = [Running(name="a:1b")]
    await models.refresh()
    assert [model.loaded for model in models.models()] == [True, False]
    del client.installed[1]
    await models.refresh()
    assert [model.id for model in models.models()] == ["a:1b"]
    client.running = []
    await models.refresh()
    assert changes.count == 4
    assert changes.events == [
        ModelLoaded(integration="ollama", model="a:1b"),
        ModelUnloaded(integration="ollama", model="a:1b"),
    ]


async def test_not_too_many_are_shown_at_once() -> None:
    client = Client(*(f"m{number}:1b" for number in range(10)))
    await library(client, Changes()).refresh()
    assert client.most_at_once == 4


async def test_a_server_that_goes_away_meanwhile_changes_nothing() -> None:
    client, changes = Client("a:1b"), Changes()
    models = library(client, changes)
    await models.refresh()
    known = models.models()
    client.installed = [Installed(name="z:1b", digest="z")]
    client.failure = UpstreamUnavailable("gone", provider="ollama")
    with pytest.raises(UpstreamUnavailable):
        await models.refresh()
    assert models.models() == known
    assert changes.count == 1


async def test_a_model_that_cannot_be_shown_is_asked_for_again() -> None:
    client, changes = Client("a:1b"), Changes()
    client.failure = UpstreamError("no such file", provider="ollama")
    models = library(client, changes)
    await models.refresh()
    assert [model.id for model in models.models()] == ["a:1b"]
    client.failure = None
    await models.refresh()
    assert client.asked.count("show a:1b") == 2


@pytest.mark.parametrize("name", ["llama", "llama:latest", "LLaMa"])
async def test_a_model_is_found_by_any_of_its_names(name: str) -> None:
    client = Client("llama:latest")
    assert (await library(client, Changes()).find(name)).info.id == "llama:latest"


async def test_an_unknown_model_is_looked_for_once() -> None:
    client = Client("a:1b")
    models = library(client, Changes())
    with pytest.raises(ModelNotFound):
        await models.find("b:1b")
    assert client.asked.count("tags") == 1
    with pytest.raises(InvalidRequest):
        await models.find("../b")
    assert client.asked.count("tags") == 1


@pytest.mark.parametrize(("interval", "looks"), [(0, 2), (3600, 1)])
async def test_a_refresh_waits_for_its_time(interval: float, looks: int) -> None:
    client = Client("a:1b")
    models = library(client, Changes(), model_refresh_interval=interval)
    await models.refresh_if_due()
    await models.refresh_if_due()
    assert client.asked.count("tags") == looks


async def test_the_cloud_is_not_asked_what_it_has_in_memory() -> None:
    client = Client("a:1b")
    models = library(client, Changes(), base_url="https://ollama.com")
    await models.refresh()
    assert "ps" not in client.asked
    assert [model.loaded for model in models.models()] == [None]
