"""The server as an integration: its port, its certificate, how it drains and stops."""

import asyncio
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from app.api.front_end import Drains, Listens
from app.api.grpc.front_end import GrpcApi
from app.api.grpc.generated.llm_platform.v1 import metrics_pb2, models_pb2
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.core.integration_framework import IntegrationConfig, IntegrationConfigError, IntegrationState
from app.testing.providers import ScriptedProvider
from tests.contract.transport.test_transport_tls import Certificate
from tests.grpc.server import ANSWER, ASK, LOCAL, failure, served, texts
from tests.rest.gateway import eventually


async def test_a_port_that_is_taken_is_told_and_taken_when_it_is_free() -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        async with served(port=port) as platform:
            status = platform.manager.status_of("grpc")
            assert status.state is IntegrationState.RETRYING
            assert f"can't listen on {LOCAL}:{port} (Address already in use)" in status.reason
            assert "--grpc-port" in status.reason
            assert platform.manager.providing(Listens) == []
            taken.close()
            await eventually(lambda: platform.manager.serves("grpc"), 10)
            assert [server.address for server in platform.manager.providing(Listens)] == [f"grpc://{LOCAL}:{port}"]
            async with grpc.aio.insecure_channel(f"{LOCAL}:{port}") as channel:
                reply: Any = await InferenceStub(channel).ChatUnary(ASK)
                assert reply.text == "Hello"


async def test_several_workers_share_a_port_and_only_when_told_to() -> None:
    async with served() as first:
        port = first.front_end.port
        async with served(port=port) as second:
            assert second.manager.status_of("grpc").state is IntegrationState.RETRYING
    with socket.create_server((LOCAL, 0)) as free:
        port = free.getsockname()[1]
    async with served(port=port, shared_port=True) as first, served(port=port, shared_port=True) as second:
        assert first.front_end.port == second.front_end.port == port
        for _ in range(50):
            async with grpc.aio.insecure_channel(
                f"{LOCAL}:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
            ) as channel:
                await InferenceStub(channel).ChatUnary(ASK)
        assert len(first.records) > 0
        assert len(second.records) > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"certificate": "a.pem"},
        {"private_key": "a.key"},
        {"shared_port": True, "port": 0},
        {"port": 65_536},
        {"message_bytes": 0},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(IntegrationConfigError):
        GrpcApi(IntegrationConfig(name="grpc", settings=settings))


def trusting(platform: Any, certificate: Certificate) -> grpc.aio.Channel:
    trusted = grpc.ssl_channel_credentials(certificate.file.read_bytes())
    name = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(platform.target, trusted, options=name)


async def test_tls_and_a_certificate_that_is_renewed(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    old, new = Certificate(tmp_path, "localhost"), Certificate(tmp_path / "next", "localhost")
    files = {"certificate": str(tmp_path / "tls.crt"), "private_key": str(tmp_path / "tls.key")}
    shutil.copy(old.file, files["certificate"])
    shutil.copy(old.key, files["private_key"])
    async with served(**files) as platform:
        assert platform.front_end.address.startswith("grpcs://")
        async with trusting(platform, old) as channel:
            assert await texts(InferenceStub(channel).Chat(ASK)) == "Hello"
            assert (await failure(lambda: platform.inference.ChatUnary(ASK))).code() is grpc.StatusCode.UNAVAILABLE
            os.unlink(files["private_key"])
            async with trusting(platform, old) as other:  # a renewal half way: the old one stays
                await InferenceStub(other).ChatUnary(ASK)
            shutil.copy(new.file, files["certificate"])
            shutil.copy(new.key, files["private_key"])
            async with trusting(platform, new) as renewed:
                await InferenceStub(renewed).ChatUnary(ASK)
            await InferenceStub(channel).ChatUnary(ASK)
        async with trusting(platform, old) as outdated:
            stub: Any = InferenceStub(outdated)
            assert (await failure(lambda: stub.ChatUnary(ASK))).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_is_not_there_is_for_a_person_to_mend(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    async with served(certificate=missing, private_key=missing) as platform:
        status = platform.manager.status_of("grpc")
        assert status.state is IntegrationState.FAILED
        assert missing in status.reason
        assert not platform.catalog._watchers


async def test_a_certificate_that_is_none_is_for_a_person_to_mend(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    async with served(certificate=str(garbage), private_key=str(garbage)) as platform:
        status = platform.manager.status_of("grpc")
        assert status.state is IntegrationState.FAILED
        assert str(garbage) in status.reason


async def test_two_hundred_streams_finish_while_it_drains() -> None:
    hold = asyncio.Event()
    async with served(ScriptedProvider([*ANSWER[:2], hold, *ANSWER[2:]])) as platform:
        calls = [platform.inference.Chat(ASK) for _ in range(200)]
        for call in calls:
            await call.read()
        health: Any = health_pb2_grpc.HealthStub(platform.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        endless = [
            platform.models.WatchModels(models_pb2.WatchModelsRequest()),
            platform.metrics.GetMetrics(metrics_pb2.GetMetricsRequest()),
        ]
        for stream in endless:
            await stream.read()
        (front_end,) = platform.manager.providing(Drains)
        began = time.monotonic()
        draining = asyncio.ensure_future(front_end.drain(10))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        for stream in endless:
            told = await failure(lambda each=stream: each)
            assert told.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 1.0
        async with grpc.aio.insecure_channel(
            platform.target, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as newcomer:
            stub: Any = InferenceStub(newcomer)
            assert (await failure(lambda: stub.ChatUnary(ASK))).code() is grpc.StatusCode.UNAVAILABLE
        assert not draining.done()
        hold.set()
        assert [await texts(call) for call in calls] == ["Hello"] * 200
        async with asyncio.timeout(2):
            await draining


async def test_what_does_not_end_is_cut_when_the_drain_does() -> None:
    async with served(ScriptedProvider([*ANSWER[:2], asyncio.Event()])) as platform:
        call = platform.inference.Chat(ASK)
        await call.read()
        began = time.monotonic()
        await platform.front_end.drain(0.3)
        assert 0.2 < time.monotonic() - began < 1.5
        assert (await failure(lambda: call)).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        await eventually(lambda: platform.provider.closed == 1)


async def test_one_that_is_switched_off_takes_no_new_call() -> None:
    hold = asyncio.Event()
    async with served(ScriptedProvider([*ANSWER[:2], hold, *ANSWER[2:]])) as platform:
        call = platform.inference.Chat(ASK)
        await call.read()
        await platform.manager.reconfigure([], drain=5)
        told = await failure(lambda: platform.inference.ChatUnary(ASK))
        assert (told.code(), dict(told.trailing_metadata() or ())["error-code"]) == (
            grpc.StatusCode.UNAVAILABLE,
            "stopping",
        )
        hold.set()
        assert await texts(call) == "Hello"


async def test_whoever_calls_while_the_platform_starts_waits() -> None:
    async with served(ready=False) as platform:
        assert platform.manager.serves("grpc")
        early = asyncio.ensure_future(texts(platform.inference.Chat(ASK, timeout=10)))
        done, _ = await asyncio.wait({early}, timeout=0.3)
        assert not done
        platform.state["ready"] = True
        platform.catalog.rebuild()
        assert await early == "Hello"


async def test_one_that_never_opened_can_be_stopped() -> None:
    async with served(ready=False) as platform:
        async with asyncio.timeout(1):
            await platform.front_end.drain(10)


async def test_shutdown_is_safe_without_initialize_and_twice() -> None:
    front_end = GrpcApi(IntegrationConfig(name="grpc"))
    await front_end.shutdown()
    async with served() as platform:
        await platform.front_end.shutdown()
        await platform.front_end.shutdown()
