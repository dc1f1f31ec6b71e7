"""docs/adding-an-integration.md to the letter: its package is built, installed, tested, configured and asked."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.servers.platform_process import BACKEND, platform_process
from tests.servers.raw_client import post

PAGE = BACKEND.parent / "docs" / "adding-an-integration.md"


def write_files_of_the_page(folder: Path) -> None:
    """Every code block whose first line names a file."""
    for name, code in re.findall(r"```\w+\n# (\S+\.\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        (folder / name).write_text(code, "utf-8")


def run(folder: Path, *command: str, **environment: str) -> None:
    environment = {**os.environ, **environment}
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


async def test_a_package_of_somebody_else_is_found_enabled_and_serves(tmp_path: Path) -> None:
    write_files_of_the_page(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "llm_platform_echo.py", "llm_platform_words.py", "test_llm_platform_echo.py", "pyproject.toml",
        "llm-platform.yaml",
    }  # fmt: skip
    site = tmp_path / "site"
    install = (
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(site),
        ".",
    )
    await asyncio.to_thread(run, tmp_path, *install)
    for module in tmp_path.glob("llm_platform_*.py"):  # from here on only what was installed counts
        module.unlink()
    path = os.pathsep.join([str(site), str(BACKEND)])
    options = ("-q", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    await asyncio.to_thread(run, tmp_path, "pytest", *options, "test_llm_platform_echo.py", PYTHONPATH=path)
    await asyncio.to_thread(
        run, tmp_path, "app.cli", "config", "check", "--config", "llm-platform.yaml", PYTHONPATH=path
    )
    arguments = ("--config", "llm-platform.yaml")
    async with platform_process(tmp_path, *arguments, python_path=str(site)) as platform:
        async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key="none") as client:
            for model in ("repeat", "echo", "parrot/echo"):
                answer = await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "hi"}]
                )
                assert answer.choices[0].message.content == "Polly heard: hi "
                stream = await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "hi"}], stream=True
                )
                text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
                assert "".join(text) == "Polly heard: hi "
            hidden = [{"role": "user", "content": "What is project-x?"}]
            answer = await client.chat.completions.create(model="repeat", messages=hidden)
            assert answer.choices[0].message.content == "Polly heard: What is ***? "
            with pytest.raises(BadRequestError, match="a word that is not for models"):
                await client.chat.completions.create(
                    model="repeat", messages=[{"role": "user", "content": "Damn pods."}]
                )
        refused = {"model": "repeat", "max_tokens": 9, "messages": [{"role": "user", "content": "Damn pods."}]}
        assert (await post(platform.port, "/v1/messages", refused)).status == 400
        query = 'mutation { generateText(model: "repeat", prompt: "project-x") { text } }'
        answer = (await post(platform.port, "/graphql", {"query": query})).json()
        assert answer["data"]["generateText"]["text"] == "Polly heard: *** "
        assert await platform.stop() == 0
