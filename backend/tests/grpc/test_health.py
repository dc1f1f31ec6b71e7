"""grpc.health.v1 and reflection, asked by their own clients."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from app.api.grpc.health import MAX_WATCHERS
from tests.grpc.server import Served, failure, served

INFERENCE, MODELS, METRICS = (f"llm_platform.v1.{name}" for name in ("Inference", "Models", "Metrics"))
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def stub(platform: Served) -> Any:
    return health_pb2_grpc.HealthStub(platform.channel)


async def states(platform: Served) -> list[int]:
    names = ("", INFERENCE, MODELS, METRICS)
    asked = [await stub(platform).Check(health_pb2.HealthCheckRequest(service=name)) for name in names]
    return [reply.status for reply in asked]


async def test_every_service_tells_how_it_is() -> None:
    async with served() as platform:
        assert await states(platform) == [SERVING] * 4
        told = await failure(lambda: stub(platform).Check(health_pb2.HealthCheckRequest(service="nothing")))
        assert told.code() is grpc.StatusCode.NOT_FOUND


async def test_without_a_model_that_answers_only_inference_is_down() -> None:
    async with served() as platform:
        watch = stub(platform).Watch(health_pb2.HealthCheckRequest(service=INFERENCE))
        assert (await watch.read()).status == SERVING
        platform.sources.clear()
        platform.catalog.rebuild()
        async with asyncio.timeout(1):
            assert (await watch.read()).status == NOT_SERVING
        assert await states(platform) == [SERVING, NOT_SERVING, SERVING, SERVING]
        watch.cancel()


async def test_there_is_an_end_to_those_who_watch() -> None:
    async with served(streams_per_connection=2 * MAX_WATCHERS) as platform:
        calls = [stub(platform).Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_WATCHERS)]
        for call in calls:
            await call.read()
        told = await failure(lambda: stub(platform).Watch(health_pb2.HealthCheckRequest()))
        assert told.code() is grpc.StatusCode.UNAVAILABLE
        assert await states(platform) == [SERVING] * 4
        for call in calls:
            call.cancel()


async def test_an_unready_platform_is_down_altogether() -> None:
    async with served() as platform:
        platform.state["ready"] = False
        platform.catalog.rebuild()
        assert await states(platform) == [NOT_SERVING] * 4


def through_reflection(target: str, metadata: tuple[tuple[str, str], ...] = ()) -> tuple[list[str], Any]:
    """The services, and an answer to a request that was built from nothing but what reflection tells."""
    with grpc.insecure_channel(target) as channel:
        intercepted = grpc.intercept_channel(channel, _Adding(metadata))
        database = ProtoReflectionDescriptorDatabase(intercepted)
        pool = DescriptorPool(database)
        method = pool.FindServiceByName(INFERENCE).FindMethodByName("ChatUnary")
        request = GetMessageClass(method.input_type)(model="model", prompt="hi")
        ask = intercepted.unary_unary(
            f"/{INFERENCE}/ChatUnary",
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return list(database.get_services()), ask(request)


class _Adding(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def _add(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), request)

    intercept_unary_unary = intercept_stream_stream = _add


async def test_reflection_alone_is_enough_to_make_a_call() -> None:
    async with served(reflection=True) as platform:
        services, reply = await asyncio.to_thread(through_reflection, platform.target)
        assert {INFERENCE, MODELS, METRICS, "grpc.health.v1.Health"} <= set(services)
        assert reply.text == "Hello"


async def test_reflection_needs_the_key_where_there_is_one() -> None:
    async with served(key="sk-key", reflection=True) as platform:
        _, reply = await asyncio.to_thread(through_reflection, platform.target, (("x-api-key", "sk-key"),))
        assert reply.text == "Hello"
        with pytest.raises(grpc.RpcError) as refused:
            await asyncio.to_thread(through_reflection, platform.target)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_reflection_can_be_off() -> None:
    async with served(reflection=False) as platform:
        with pytest.raises(grpc.RpcError) as refused:
            await asyncio.to_thread(through_reflection, platform.target)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
