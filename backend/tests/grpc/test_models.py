"""The services Models and Metrics."""

import asyncio
from typing import Any

import grpc
import pytest

from app.api.grpc.generated.llm_platform.v1 import metrics_pb2, models_pb2
from app.core.integration_framework import BaseIntegration
from app.domain.errors import UpstreamUnavailable
from app.domain.models import ModelInfo
from app.testing.providers import ScriptedProvider
from tests.grpc.server import ANSWER, ASK, failure, served
from tests.rest.gateway import eventually

Change = models_pb2.ModelChange
LIST = models_pb2.ListModelsRequest()


class Loader(BaseIntegration):
    """Has one model, which it loads and lets go."""

    accepts_unlisted = False
    loaded = False

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None

    def models(self) -> list[ModelInfo]:
        return [
            ModelInfo(
                id="big",
                provider=self.name,
                capabilities=frozenset({"chat", "tools"}),
                context_window=4096,
                max_output_tokens=512,
                size_bytes=7,
                format="gguf",
                quantization="Q4",
                family="llama",
                loaded=self.loaded,
                created=3,
                owned_by="us",
            )
        ]

    async def load(self, model: str) -> None:
        assert model == "big"
        self.loaded = True

    async def unload(self, model: str) -> None:
        assert model == "big"
        self.loaded = False


BIG = models_pb2.Model(
    id="big",
    providers=["loader"],
    available=True,
    capabilities=["chat", "tools"],
    context_window=4096,
    max_output_tokens=512,
    loaded=False,
    size_bytes=7,
    family="llama",
    format="gguf",
    quantization="Q4",
    owned_by="us",
    created=3,
)
SMALL = models_pb2.Model(
    id="model", providers=["scripted"], available=True, capabilities=["chat"], owned_by="scripted"
)


async def test_the_list_tells_what_is_known() -> None:
    async with served(others=[Loader]) as platform:
        loader: Any = platform.manager.get_integration("loader")
        platform.sources.append(loader)
        platform.catalog.rebuild()
        listed = list((await platform.models.ListModels(LIST)).models)
        assert sorted(listed, key=lambda model: model.id) == [BIG, SMALL]
        assert not SMALL.HasField("loaded")


async def test_watching_tells_what_there_is_and_then_what_changes() -> None:
    async with served(others=[Loader]) as platform, asyncio.timeout(10):
        loader: Any = platform.manager.get_integration("loader")
        watch = platform.models.WatchModels(models_pb2.WatchModelsRequest())
        assert await watch.read() == Change(kind=Change.KIND_ADDED, model=SMALL)
        assert await watch.read() == Change(kind=Change.KIND_COMPLETE)
        platform.sources.append(loader)
        platform.catalog.rebuild()
        assert await watch.read() == Change(kind=Change.KIND_ADDED, model=BIG)
        platform.catalog.rebuild()  # nothing changed: nothing is told
        loader.loaded = True
        platform.catalog.rebuild()
        updated = models_pb2.Model()
        updated.CopyFrom(BIG)
        updated.loaded = True
        assert await watch.read() == Change(kind=Change.KIND_UPDATED, model=updated)
        platform.sources.remove(loader)
        platform.catalog.rebuild()
        assert await watch.read() == Change(kind=Change.KIND_REMOVED, model=models_pb2.Model(id="big"))
        watch.cancel()
        await eventually(lambda: len(platform.catalog._watchers) == 1)  # the health service goes on watching


@pytest.mark.parametrize("name", ["big", "loader/big"])
async def test_a_model_is_loaded_and_let_go(name: str) -> None:
    async with served(others=[Loader]) as platform:
        loader: Any = platform.manager.get_integration("loader")
        await platform.models.LoadModel(models_pb2.LoadModelRequest(model=name))
        assert loader.loaded
        await platform.models.UnloadModel(models_pb2.UnloadModelRequest(model=name))
        assert not loader.loaded


async def test_what_cannot_be_loaded_is_told() -> None:
    async with served(others=[Loader]) as platform:
        for name, code in (("nothing", "NOT_FOUND"), ("", "INVALID_ARGUMENT"), ("a\x00", "INVALID_ARGUMENT")):
            for method, request in (
                (platform.models.LoadModel, models_pb2.LoadModelRequest(model=name)),
                (platform.models.UnloadModel, models_pb2.UnloadModelRequest(model=name)),
            ):
                told = await failure(lambda call=method, asked=request: call(asked))
                assert told.code().name == code
                assert dict(told.trailing_metadata() or ())["error-param"] == "model"
    async with served() as platform:
        told = await failure(lambda: platform.models.LoadModel(models_pb2.LoadModelRequest(model="model")))
        assert told.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_figures_come_once_and_then_as_they_change() -> None:
    hold = asyncio.Event()
    provider = ScriptedProvider(ANSWER, [UpstreamUnavailable("down")], [*ANSWER[:2], hold])
    async with served(provider) as platform, asyncio.timeout(10):
        watch = platform.metrics.GetMetrics(metrics_pb2.GetMetricsRequest(interval_seconds=0.1))
        first = await watch.read()
        assert (first.active, first.total.requests, dict(first.models)) == (0, 0, {})
        assert first.since <= first.at
        await platform.inference.ChatUnary(ASK)
        second = await watch.read()
        assert (second.total.requests, second.total.input_tokens, second.total.output_tokens) == (1, 3, 2)
        assert second.models["model"] == second.total
        assert second.total.seconds > 0
        await failure(lambda: platform.inference.ChatUnary(ASK))
        assert (await watch.read()).models["model"].errors == 1
        call = platform.inference.Chat(ASK)
        assert (await watch.read()).active == 1
        call.cancel()
        last = await watch.read()
        assert (last.active, last.total.requests, last.total.cancelled, last.total.errors) == (0, 3, 1, 1)
        watch.cancel()


async def test_the_figures_once() -> None:
    async with served() as platform:
        call = platform.metrics.GetMetrics(metrics_pb2.GetMetricsRequest(once=True))
        assert len([each async for each in call]) == 1


async def test_unknown_names_make_no_figures_of_their_own() -> None:
    async with served() as platform:
        for number in range(20):
            asking = type(ASK)(model=f"unknown-{number}", prompt="hi")
            await failure(lambda asked=asking: platform.inference.ChatUnary(asked))
        figures = platform.tally.snapshot()
        assert set(figures.models) == {"other"}
        assert figures.models["other"].errors == 20
