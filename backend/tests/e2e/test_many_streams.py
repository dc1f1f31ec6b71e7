"""Two hundred streams at once through the whole platform, each with a nonce of its own; then nothing is left over.

The platform runs in this process, so that its tasks can be counted.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.bootstrap import Platform
from app.settings import load_settings
from tests.servers.asking import CHAT, becomes
from tests.servers.echo_peer import echo_peer
from tests.servers.ollama_engines import Json, Piece, ScriptedEngine
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.raw_client import connection, read_reply, request_bytes
from tests.servers.serving import serving

STREAMS = 200
Tasks = set["asyncio.Task[Any]"]


class EchoEngine(ScriptedEngine):
    """Says again what the user said, a word a token; begins when all have arrived."""

    def __init__(self, gather: int) -> None:
        super().__init__()
        self._gather = gather
        self._gathered = asyncio.Event()

    async def complete(self, prompt: str, options: Json, schema: Json | None) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        if len(self.prompts) >= self._gather:
            self._gathered.set()
        await self._gathered.wait()
        said = prompt.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
        for place, word in enumerate(said.split(" ")):
            yield Piece(word if place == 0 else f" {word}")
            await asyncio.sleep(0)
        yield Piece("", reason="stop")


@asynccontextmanager
async def upstream(kind: str, gather: int) -> AsyncIterator[str]:
    """The settings of an integration whose server echoes."""
    if kind == "ollama":
        async with OllamaFake(FakeModel("echo"), engine=EchoEngine(gather)) as fake:
            yield f'ollama: {{settings: {{base_url: "{fake.base_url}"}}}}'
    else:
        async with echo_peer(gather=gather) as peer:
            yield f'peer: {{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}'


@asynccontextmanager
async def running(folder: Path, integration: str) -> AsyncIterator[int]:
    file = folder / "llm-platform.yaml"
    file.write_text(f"front_ends: {{grpc: false}}\nintegrations:\n  {integration}\n")
    platform = Platform(lambda: load_settings(file, {}, {}))
    await platform.start()
    try:
        async with serving(platform.app) as port:
            yield port
    finally:
        await platform.stop()


async def one(port: int, *, leaves: bool) -> None:
    nonce = " ".join(secrets.token_hex(8) for _ in range(12))
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": nonce}]}
    async with connection(port) as (reader, writer):
        writer.write(request_bytes(CHAT, json.dumps(body).encode()))
        if leaves:
            await reader.readuntil(b"\r\n\r\n")
            return
        reply = await read_reply(reader)
    frames = [line.removeprefix(b"data: ") for line in reply.body.split(b"\n\n") if line]
    assert frames[-1] == b"[DONE]"
    chunks = [json.loads(frame) for frame in frames[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == nonce


@pytest.mark.parametrize("leave", [False, True], ids=["all stay", "half of them leave"])
@pytest.mark.parametrize("kind", ["openai_compatible", "ollama"])
async def test_no_answer_is_crossed_and_nothing_is_left(tmp_path: Path, kind: str, leave: bool) -> None:
    process = psutil.Process()
    async with upstream(kind, gather=STREAMS) as integration:
        files = process.num_fds()
        async with running(tmp_path, integration) as port:
            tasks = asyncio.all_tasks()
            async with asyncio.timeout(60), asyncio.TaskGroup() as clients:
                for number in range(STREAMS):
                    clients.create_task(one(port, leaves=leave and number % 2 == 0))

            async def back_to_the_baseline(tasks: Tasks = tasks) -> bool:
                # What an upstream's server holds for an idle connection of the pool is not the platform's.
                return not {task for task in asyncio.all_tasks() - tasks if is_ours(task)}

            await becomes(back_to_the_baseline, 2.0)

        async def all_closed() -> bool:
            return process.num_fds() <= files

        await becomes(all_closed, 2.0)


def is_ours(task: "asyncio.Task[Any]") -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return "aiohttp" not in (code.co_filename if code else "")
