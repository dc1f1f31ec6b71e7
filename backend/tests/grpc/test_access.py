"""Who may call what: the same rules as over HTTP, for every method that there is."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from app.api.grpc.door import Door, is_loopback
from app.api.grpc.generated.llm_platform.v1 import inference_pb2, metrics_pb2, models_pb2
from app.domain.errors import PermissionDenied
from tests.grpc.server import ASK, Served, failure, served, texts

KEY = "sk-test-master"
Metadata = tuple[tuple[str, str], ...]


def every_method() -> Iterator[tuple[str, str, Any, bool]]:
    """Service, method, empty request, whether it streams."""
    for file in (inference_pb2, models_pb2, metrics_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                request: type[Message] = getattr(file, method.input_type.name)
                yield service.full_name, method.name, request(), method.server_streaming


def call(platform: Served, service: str, method: str, request: Any, streams: bool, metadata: Metadata) -> Any:
    make = platform.channel.unary_stream if streams else platform.channel.unary_unary
    return make(f"/{service}/{method}", request_serializer=type(request).SerializeToString)(
        request, metadata=metadata
    )


WRONG: dict[str, Metadata] = {
    "none": (),
    "a wrong key": (("authorization", "Bearer wrong"),),
    "another scheme": (("authorization", f"Basic {KEY}"),),
    "the key and more": (("authorization", f"Bearer {KEY}x"),),
    "a part of the key": (("x-api-key", KEY[:-1]),),
    "a wrong x-api-key": (("x-api-key", "wrong"),),
    "two that differ": (("authorization", f"Bearer {KEY}"), ("x-api-key", "other")),
    "one twice, differing": (("x-api-key", KEY), ("x-api-key", "other")),
    "SQL": (("authorization", "Bearer ' OR 1=1 --"),),
}


@pytest.mark.parametrize("metadata", WRONG.values(), ids=WRONG.keys())
async def test_no_method_answers_without_the_right_key(metadata: Metadata) -> None:
    async with served(key=KEY, reflection=True) as platform:
        methods = list(every_method())
        assert len(methods) == 14
        for service, method, request, streams in methods:
            told = await failure(lambda each=(service, method, request, streams): call(platform, *each, metadata))
            assert told.code() is grpc.StatusCode.UNAUTHENTICATED, (service, method)
            assert dict(told.trailing_metadata() or ())["error-code"] == "invalid_api_key"
            assert KEY not in str(told)
        assert platform.provider.exchanges == []


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", f"Bearer {KEY}"),),
        (("authorization", f"bearer {KEY}"),),
        (("x-api-key", KEY),),
        (("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)),
    ],
)
async def test_the_key_opens_every_method(metadata: Metadata) -> None:
    async with served(key=KEY) as platform:
        assert await texts(platform.inference.Chat(ASK, metadata=metadata)) == "Hello"
        assert (await platform.inference.ChatUnary(ASK, metadata=metadata)).text == "Hello"
        listed = await platform.models.ListModels(models_pb2.ListModelsRequest(), metadata=metadata)
        assert [model.id for model in listed.models] == ["model"]
        once = metrics_pb2.GetMetricsRequest(once=True)
        assert len([each async for each in platform.metrics.GetMetrics(once, metadata=metadata)]) == 1
        assert platform.records[0].principal == "operator"


async def test_health_needs_no_key() -> None:
    async with served(key=KEY) as platform:
        health: Any = health_pb2_grpc.HealthStub(platform.channel)
        reply = await health.Check(health_pb2.HealthCheckRequest())
        assert reply.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:5000", True),
        ("ipv4:127.8.8.8:5000", True),
        ("ipv6:[::1]:5000", True),
        ("ipv6:%5B::1%5D:5000", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:5000", True),
        ("unix:", True),
        ("unix:/run/platform.sock", True),
        ("ipv4:10.0.0.1:5000", False),
        ("ipv4:1.127.0.1:5000", False),
        ("ipv6:[fe80::1]:5000", False),
        ("ipv6:[::ffff:10.0.0.1]:5000", False),
        ("ipv6:[::1:2]:5000", False),
        ("vsock:2:5000", False),
        ("", False),
    ],
)
def test_which_peers_are_this_machine(peer: str, local: bool) -> None:
    assert is_loopback(peer) is local


class FromElsewhere:
    """A call as the server sees it, from another machine."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self.metadata = metadata
        self.told: tuple[Any, ...] = ()

    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def invocation_metadata(self) -> Metadata:
        return self.metadata

    async def abort(self, *told: Any) -> None:
        self.told = told
        raise grpc.aio.AbortError


async def test_without_a_key_another_machine_is_refused() -> None:
    reached = []

    async def behaviour(request: Any, rpc: Any) -> None:
        reached.append(request)

    async def come_in(platform: Served, rpc: FromElsewhere) -> None:
        async def continuation(details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(behaviour)

        class Details:
            method = "/llm_platform.v1.Inference/ChatUnary"

        door: Door = platform.front_end._door
        handler: Any = await door.intercept_service(continuation, Details())  # type: ignore[arg-type]
        await handler.unary_unary("asked", rpc)

    async with served() as platform:
        rpc = FromElsewhere()
        with pytest.raises(grpc.aio.AbortError):
            await come_in(platform, rpc)
        assert rpc.told[0] is grpc.StatusCode[PermissionDenied.kind.name]
        assert reached == []
    async with served(key=KEY) as platform:
        await come_in(platform, FromElsewhere(("x-api-key", KEY)))
        assert reached == ["asked"]
