"""The gRPC front-end over scripted providers, on a real socket: what most of the tests here start from."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec

from app.api.context import ApiContext
from app.api.grpc.front_end import GrpcApi
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.api.grpc.generated.llm_platform.v1.metrics_pb2_grpc import MetricsStub
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.core.integration_framework import (
    BaseIntegration,
    IntegrationConfig,
    IntegrationManager,
    IntegrationType,
    Registry,
)
from app.domain.events import Finished, Started, TextDelta, UsageReported
from app.domain.ports import ModelSource
from app.domain.usage import Usage
from app.inference.call import Call, Stage
from app.inference.catalog import LiveCatalog, Source
from app.inference.router import Router
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.deadline import keep_time
from app.inference.tally import Tally
from app.testing.providers import ScriptedProvider
from tests.servers.routing import ONE_TRY

ANSWER = (
    Started(id="chatcmpl-1", model="model", created=1),
    TextDelta(text="Hel"),
    TextDelta(text="lo"),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
)
ASK = pb.ChatRequest(model="model", prompt="hi")
LOCAL = "127.0.0.1"


class Served(msgspec.Struct):
    """Change `sources` and rebuild `catalog`, and the models change. `channel` is a plain one, without a key."""

    front_end: GrpcApi
    manager: IntegrationManager
    catalog: LiveCatalog
    sources: list[ModelSource]
    records: list[CallRecord]
    calls: list[Call]
    tally: Tally
    provider: ScriptedProvider
    channel: grpc.aio.Channel
    state: dict[str, bool]

    @property
    def target(self) -> str:
        return f"{LOCAL}:{self.front_end.port}"

    @property
    def inference(self) -> Any:
        return InferenceStub(self.channel)

    @property
    def models(self) -> Any:
        return ModelsStub(self.channel)

    @property
    def metrics(self) -> Any:
        return MetricsStub(self.channel)


@asynccontextmanager
async def served(
    provider: ScriptedProvider | None = None,
    *,
    key: str | None = None,
    others: Sequence[type[BaseIntegration]] = (),
    options: Sequence[tuple[str, Any]] = (),
    ready: bool = True,
    stages: Sequence[Stage[Call]] = (),
    **settings: object,
) -> AsyncIterator[Served]:
    """`settings` are the integration's; `others`: integrations beside it; `options` are the client's; without
    `ready` the platform is still starting; `stages` of a call come after the account stage.
    """
    provider = provider or ScriptedProvider(ANSWER)
    records: list[CallRecord] = []
    tally, state, sources = Tally(), {"ready": ready}, list[ModelSource]([provider])
    catalog = LiveCatalog(lambda: [Source(source=source, serving=state["ready"]) for source in sources])
    catalog.rebuild(ONE_TRY)
    config = {"host": LOCAL, "port": 0, **settings}
    manager = IntegrationManager(
        Registry({"grpc": GrpcApi, **{cls.__name__.lower(): cls for cls in others}}),
        [
            IntegrationConfig(name="grpc", type=IntegrationType.API_COMPATIBILITY, settings=config),
            *(IntegrationConfig(name=cls.__name__.lower()) for cls in others),
        ],
    )
    policy = ApiPolicy(authenticator=Authenticator(key), body_bytes=1 << 20, json_depth=64, comment_seconds=15.0)
    calls: list[Call] = []
    account = Account([records.append, tally.ended], [tally.began, calls.append])
    context = ApiContext(
        router=Router(catalog, call_stages=[account, *stages], attempt_stages=[keep_time]),
        manager=manager,
        policy=lambda: policy,
        ready=lambda: state["ready"],
        reload=_reload,
        tally=tally,
    )
    manager.share(ApiContext, context)
    await manager.start()
    front_end = manager.get_integration("grpc")
    assert isinstance(front_end, GrpcApi)
    try:
        async with grpc.aio.insecure_channel(f"{LOCAL}:{front_end.port}", options=list(options)) as channel:
            yield Served(front_end, manager, catalog, sources, records, calls, tally, provider, channel, state)
    finally:
        await manager.stop()


async def _reload() -> Mapping[str, object]:
    return {"settings": {}}


async def texts(call: Any) -> str:
    """The text of what is left of a streamed answer."""
    text = ""
    while (event := await call.read()) is not grpc.aio.EOF:
        if event.WhichOneof("event") == "text":
            text += event.text.text
    return text


async def failure(call: Callable[[], Any]) -> grpc.aio.AioRpcError:
    """The status that the call ends with, whether it streams or not."""
    try:
        pending = call()
        if hasattr(pending, "read"):
            while await pending.read() is not grpc.aio.EOF:
                pass
        else:
            await pending
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call did not fail")
