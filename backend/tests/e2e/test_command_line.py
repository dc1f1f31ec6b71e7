"""The command line as a process of its own against a running platform: what it does, says and ends with."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.servers.asking import CHAT, MESSAGES
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.platform_process import Finished, PlatformProcess, platform_process, run_command
from tests.servers.raw_client import get, post
from tests.servers.raw_peer import closed_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "cli-key"


class Stage(NamedTuple):
    platform: PlatformProcess
    ollama: OllamaFake
    folder: Path

    async def run(self, *arguments: str, key: str = KEY) -> Finished:
        environment = {"LLM_PLATFORM_URL": self.platform.url, "LLM_PLATFORM_API_KEY": key}
        return await run_command(self.folder, *arguments, environment=environment)

    async def models(self) -> dict[str, dict[str, Any]]:
        listed = await self.run("models", "list", "--output", "json")
        assert listed.code == 0, listed.err
        return {model["id"]: model for model in json.loads(listed.out)["models"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("cli")
    async with OllamaFake(FakeModel("here"), registry=[FakeModel("remote", size=4096)]) as ollama:
        environment = {"OLLAMA_BASE_URL": ollama.base_url, "LLM_PLATFORM_API_KEY": KEY}
        async with platform_process(folder, environment=environment) as platform:
            yield Stage(platform, ollama, folder)


async def test_models_are_listed_for_people_and_for_programs(stage: Stage) -> None:
    models = await stage.models()
    assert models["demo"]["provider"] == "custom_models"
    assert models["here"]["provider"] == "ollama"
    table = await stage.run("models", "list")
    assert table.code == 0
    assert "demo" in table.out
    assert "custom_models" in table.out
    assert "ollama" in table.out


async def test_a_model_is_pulled_used_and_removed(stage: Stage) -> None:
    pulled = await stage.run("models", "pull", "remote")
    assert (pulled.code, pulled.out.splitlines()[-1]) == (0, "remote is here.")
    assert "remote" in await stage.models()
    removed = await stage.run("models", "rm", "ollama/remote")
    assert (removed.code, removed.out) == (0, "ollama/remote is deleted.\n")
    assert "remote" not in await stage.models()


async def test_the_progress_of_a_pull_for_programs(stage: Stage) -> None:
    pulled = await stage.run("models", "pull", "remote", "--output", "json")
    steps = [json.loads(line) for line in pulled.out.splitlines()]
    assert pulled.code == 0
    assert (steps[-1]["state"], steps[-1]["asked_by"]) == ("done", "operator")
    assert steps[-1]["completed_bytes"] == steps[-1]["total_bytes"] >= 4096
    assert (await stage.run("models", "rm", "remote")).code == 0


@pytest.mark.parametrize("model", ["demo", "custom_models/demo", "here", "ollama/here"])
async def test_a_model_is_loaded_and_unloaded(stage: Stage, model: str) -> None:
    bare = model.rpartition("/")[2]
    assert (await stage.run("models", "load", model)).code == 0
    assert (await stage.models())[bare]["loaded"] is True
    assert (await stage.run("models", "unload", model)).code == 0
    assert (await stage.models())[bare]["loaded"] is False


async def test_a_request_is_explained(stage: Stage) -> None:
    answered = await post(
        stage.platform.port, CHAT, {"model": "demo", "messages": MESSAGES}, {"Authorization": f"Bearer {KEY}"}
    )
    told = await stage.run("explain", answered.headers["x-request-id"])
    assert told.code == 0, told.err
    assert "custom_models/demo" in told.out
    assert (await stage.run("explain", "nothing-of-that-name")).code == 1


async def test_integrations_are_shown_and_restarted(stage: Stage) -> None:
    listed = await stage.run("integrations", "--output", "json")
    states = {each["name"]: each["state"] for each in json.loads(listed.out)["integrations"]}
    assert (states["ollama"], states["custom_models"]) == ("ready", "ready")
    assert "ollama" in (await stage.run("integrations", "list")).out
    one = await stage.run("integrations", "status", "ollama", "--output", "json")
    assert json.loads(one.out)["kind"] == "ollama"
    restarted = await stage.run("integrations", "restart", "ollama")
    assert (restarted.code, restarted.out) == (0, "ollama is ready.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("models", "pull", "nothing-of-that-name"), 1, "nothing-of-that-name"),
        (("models", "rm", "ollama/nothing"), 1, "nothing"),
        (("models", "rm", "custom_models/demo"), 1, "switch it off with `demo: false`"),
        (("models", "load", "nobody"), 1, "nobody"),
        (("models", "load", "custom_models/../../etc/passwd"), 1, "passwd"),
        (("integrations", "status", "nobody"), 1, "nobody"),
        (("models", "fetch"), 2, "fetch"),
        (("models", "rm"), 2, "name"),
    ],
    ids=str,
)
async def test_what_goes_wrong_is_said_and_has_a_code(
    stage: Stage, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended = await stage.run(*arguments)
    assert ended.code == code
    assert told in ended.err
    assert told not in ended.out
    assert "Traceback" not in ended.err


async def test_a_wrong_key_is_refused(stage: Stage) -> None:
    ended = await stage.run("models", "list", key="wrong")
    assert (ended.code, ended.out) == (1, "")
    assert "key" in ended.err


async def test_a_platform_that_is_not_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    ended = await run_command(tmp_path, "models", "list", "--url", url)
    assert (ended.code, ended.out) == (3, "")
    assert url in ended.err


async def test_a_configuration_is_checked_and_explained(tmp_path: Path) -> None:
    file = tmp_path / "llm-platform.yaml"
    file.write_text("server:\n  port: 9000\nmodels:\n  fast: custom_models/demo\n")
    environment = {"OPENAI_API_KEY": "sk-canary", "LOG_LEVEL": "debug"}
    good = await run_command(tmp_path, "config", "check", environment=environment)
    assert (good.code, good.err) == (0, "")
    explained = await run_command(tmp_path, "config", "explain", "--output", "json", environment=environment)
    assert explained.code == 0
    assert "9000" in explained.out
    assert "llm-platform.yaml:2" in explained.out
    assert "LOG_LEVEL" in explained.out
    assert "sk-canary" not in explained.out + good.out
    file.write_text("server:\n  prot: 9000\n")
    bad = await run_command(tmp_path, "config", "check")
    assert (bad.code, "llm-platform.yaml:2" in bad.err, "prot" in bad.err) == (1, True, True)
    refused = await run_command(tmp_path, "serve")
    assert (refused.code, "llm-platform.yaml:2" in refused.err) == (1, True)
    assert "Traceback" not in refused.err


async def test_what_the_command_changed_holds_for_requests(stage: Stage) -> None:
    assert (await stage.run("models", "unload", "demo")).code == 0
    headers = {"Authorization": f"Bearer {KEY}"}
    listed = (await get(stage.platform.port, "/v1/models", headers)).json()["data"]
    assert {"demo", "here"} <= {model["id"] for model in listed}
    body = {"model": "demo", "messages": MESSAGES, "max_tokens": 3}
    assert (await post(stage.platform.port, CHAT, body, headers)).status == 200
    assert (await stage.models())["demo"]["loaded"] is True
