"""gRPC from a process of its own: the real demo model, several workers, SIGTERM."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1 import models_pb2
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import ModelsStub
from tests.grpc.server import failure, texts
from tests.servers.echo_peer import echo_peer
from tests.servers.platform_process import PlatformProcess, platform_process

ASK = pb.ChatRequest(model="demo", prompt="What is a pod?", temperature=0)


def place(platform: PlatformProcess) -> str:
    found = re.search(r"Also on grpc://(\S+)", platform.banner)
    assert found, platform.banner
    return found[1]


async def test_the_demo_model_answers(tmp_path: Path) -> None:
    async with platform_process(tmp_path) as platform, grpc.aio.insecure_channel(place(platform)) as channel:
        stub: Any = InferenceStub(channel)
        whole = await stub.ChatUnary(ASK, timeout=20)
        assert "containers" in whole.text
        assert whole.usage.output_tokens > 5
        assert await texts(stub.Chat(ASK, timeout=20)) == whole.text
        vectors = await stub.Embed(pb.EmbedRequest(model="demo", inputs=["a pod", "a node"]), timeout=20)
        assert [len(each.values) for each in vectors.embeddings] == [128, 128]
        models: Any = ModelsStub(channel)
        await models.UnloadModel(models_pb2.UnloadModelRequest(model="demo"), timeout=20)
        (demo,) = (await models.ListModels(models_pb2.ListModelsRequest())).models
        assert not demo.loaded
        await models.LoadModel(models_pb2.LoadModelRequest(model="demo"), timeout=20)
        (demo,) = (await models.ListModels(models_pb2.ListModelsRequest())).models
        assert demo.loaded
        assert await platform.stop() == 0
        assert "defect" not in platform.log()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stream_finishes_after_sigterm_and_new_calls_are_refused(tmp_path: Path, workers: int) -> None:
    hold = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with echo_peer(hold=hold) as peer:
        (tmp_path / "llm-platform.yaml").write_text(
            f'integrations: {{peer: {{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}}}\n'
        )
        arguments = ("--workers", str(workers), "--grpc-port", str(port))
        async with platform_process(tmp_path, *arguments) as platform, asyncio.timeout(30):
            assert place(platform) == f"127.0.0.1:{port}"
            options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                stub: Any = InferenceStub(channel)
                request = pb.ChatRequest(model="echo", prompt="one two three")
                call = stub.Chat(request, wait_for_ready=True)
                while (await call.read()).WhichOneof("event") != "text":
                    pass
                stopping = asyncio.ensure_future(platform.stop())
                async with asyncio.timeout(2):
                    refused = grpc.StatusCode.OK
                    while refused is not grpc.StatusCode.UNAVAILABLE:
                        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as newcomer:
                            late: Any = InferenceStub(newcomer)
                            told = await failure(lambda ask=late: ask.ChatUnary(pb.ChatRequest(model="no")))
                            refused = told.code()
                assert platform.process.returncode is None
                hold.set()
                assert await texts(call) == " two three"
            assert await stopping == 0
            assert "defect" not in platform.log()


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with platform_process(tmp_path, environment={"GRPC_ENABLED": "false"}) as platform:
        assert "grpc" not in platform.banner
        assert await platform.stop() == 0


async def test_a_taken_port_stops_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with platform_process(tmp_path, "--grpc-port", str(port)) as platform:
            assert re.search(rf"grpc +retrying +can't listen on 127\.0\.0\.1:{port}", platform.banner)
            assert await platform.stop() == 0
