"""What the environment names appears by itself; what is not there yet appears when it comes."""

import time
from pathlib import Path

from openai import AsyncOpenAI

from tests.servers.asking import MESSAGES, becomes, chat, model_names, status_of
from tests.servers.echo_peer import echo_peer
from tests.servers.ollama_engines import ScriptedEngine
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.openai_peer import DEMO_MODEL
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import get
from tests.servers.raw_peer import closed_port

START_SECONDS = 10.0
"""Of a process on a busy machine; on a free one it is less than two."""


async def test_ollama_by_its_address_alone(tmp_path: Path) -> None:
    async with OllamaFake(FakeModel("llama3.2:1b")) as ollama:
        environment = {"OLLAMA_BASE_URL": ollama.base_url}
        async with platform_process(tmp_path, environment=environment) as platform:
            assert "llama3.2:1b  (ollama)" in platform.banner
            async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key="none") as client:
                assert {model.id async for model in await client.models.list()} == {"demo", "llama3.2:1b"}
                answer = await client.chat.completions.create(model="llama3.2:1b", messages=MESSAGES)  # type: ignore[arg-type]
                assert answer.choices[0].message.content == ScriptedEngine().answer


async def test_a_cloud_by_its_key_alone(tmp_path: Path) -> None:
    """Its address is another one here, since the tests call no cloud."""
    async with echo_peer() as peer:
        (tmp_path / "llm-platform.yaml").write_text(
            f'integrations: {{openai: {{settings: {{base_url: "{peer.url}"}}}}}}\n'
        )
        async with platform_process(tmp_path, environment={"OPENAI_API_KEY": "sk-canary"}) as platform:
            assert set(await model_names(platform.port)) == {"echo", "demo"}
            reply = await chat(platform.port, "openai/echo")
            assert reply.json()["choices"][0]["message"]["content"] == MESSAGES[0]["content"]
            assert "sk-canary" not in platform.banner + platform.log()
            status = await get(platform.port, "/integrations/status")
            assert b"sk-canary" not in status.body


async def test_an_ollama_that_starts_later_appears_by_itself(tmp_path: Path) -> None:
    port = closed_port()
    environment = {"OLLAMA_BASE_URL": f"http://127.0.0.1:{port}"}
    began = time.monotonic()
    async with platform_process(tmp_path, environment=environment) as platform:
        assert time.monotonic() - began < START_SECONDS
        assert (await chat(platform.port, "demo", max_tokens=3)).status == 200
        status = await status_of(platform.port, "ollama")
        assert status["state"] in {"retrying", "initializing"}

        async def tries_again() -> bool:
            status = await status_of(platform.port, "ollama")
            return bool(
                status["state"] == "retrying"
                and str(port) in status["reason"]
                and status["attempts"] >= 1
                and status["next_retry_at"] >= status["since"]
            )

        await becomes(tries_again)
        health = (await get(platform.port, "/integrations/health")).json()
        assert (health["status"], list(health["troubled"])[-1:]) == ("degraded", ["ollama"])

        async with OllamaFake(FakeModel("late"), port=port):

            async def appeared() -> bool:
                return "late" in await model_names(platform.port)

            await becomes(appeared, 15.0)
            assert (await chat(platform.port, "late")).status == 200
            assert (await status_of(platform.port, "ollama"))["state"] == "ready"
        assert await platform.stop() == 0


async def test_models_that_come_and_go_while_the_platform_runs(tmp_path: Path) -> None:
    """A file put into the folder, a model pulled by somebody else: found at the next look."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "llm-platform.yaml").write_text(
        "integrations:\n"
        "  custom_models: {health_check_interval: 0.1}\n"
        "  ollama: {health_check_interval: 0.1, settings: {model_refresh_interval: 0}}\n"
    )
    async with OllamaFake(FakeModel("first")) as ollama:
        environment = {"OLLAMA_BASE_URL": ollama.base_url, "CUSTOM_MODELS_DIR": str(folder)}
        async with platform_process(tmp_path, environment=environment) as platform:

            async def are(*wanted: str) -> bool:
                return set(await model_names(platform.port)) == {"demo", *wanted}

            await becomes(lambda: are("first"))
            ollama.models["second:latest"] = FakeModel("second")
            del ollama.models["first:latest"]
            own = folder / "own.gguf"
            own.write_bytes(DEMO_MODEL.read_bytes())
            await becomes(lambda: are("second", "own"))
            assert (await chat(platform.port, "own", max_tokens=3)).status == 200
            own.unlink()
            await becomes(lambda: are("second"))
            assert (await chat(platform.port, "own", max_tokens=3)).status == 404
