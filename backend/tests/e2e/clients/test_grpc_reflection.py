"""grpcio against the running platform with no generated code: all that it knows, reflection has told it."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.e2e.conftest import KEY
from tests.e2e.features import ANSWER
from tests.servers.platform_process import PlatformProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]
SERVICES = {"llm_platform.v1.Inference", "llm_platform.v1.Models", "llm_platform.v1.Metrics"}


class _WithKey(
    grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor
):
    def _add(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=(("authorization", f"Bearer {KEY}"),)), request)

    intercept_unary_unary: Any = _add
    intercept_unary_stream: Any = _add
    intercept_stream_stream: Any = _add


class Reflected:
    """Calls by name, with requests given as fields."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> set[str]:
        return set(self._database.get_services())

    def call(self, service: str, name: str, **fields: Any) -> Any:
        """A reply, or an iterator of replies."""
        method: MethodDescriptor = self._pool.FindServiceByName(service).FindMethodByName(name)
        kind = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        ask = kind(
            f"/{service}/{name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return ask(GetMessageClass(method.input_type)(**fields), timeout=30)


async def reflected(platform: PlatformProcess, ask: Callable[[Reflected], Any]) -> Any:
    """In a thread, since the descriptors are fetched by blocking calls."""
    place = re.search(r"Also on grpc://(\S+)", platform.banner)
    assert place, platform.banner

    def run() -> Any:
        with grpc.insecure_channel(place[1]) as channel:
            return ask(Reflected(grpc.intercept_channel(channel, _WithKey())))

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("model", CHATTING)
async def test_an_answer_piece_by_piece(platform: PlatformProcess, model: str) -> None:
    def ask(platform: Reflected) -> Any:
        fields: dict[str, Any] = {"model": model, "temperature": 0}
        fields["messages"] = [{"role": "ROLE_USER", "content": "What is a pod?"}]
        return list(platform.call("llm_platform.v1.Inference", "Chat", **fields))

    events = await reflected(platform, ask)
    kinds = [event.WhichOneof("event") for event in events]
    assert [kinds[0], *kinds[-2:]] == ["started", "finished", "usage"]
    texts = [event.text.text for event in events if event.WhichOneof("event") == "text"]
    assert len(texts) > 3
    assert "".join(texts) == ANSWER
    assert events[-1].usage.output_tokens > 10


async def test_services_and_models(platform: PlatformProcess) -> None:
    assert await reflected(platform, lambda platform: platform.services()) >= SERVICES
    listed = await reflected(platform, lambda platform: platform.call("llm_platform.v1.Models", "ListModels"))
    assert {"demo", "smart"} <= {model.id for model in listed.models}


async def test_an_error_has_its_status(platform: PlatformProcess) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await reflected(
            platform,
            lambda platform: platform.call("llm_platform.v1.Inference", "ChatUnary", model="nobody", prompt="hi"),
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
