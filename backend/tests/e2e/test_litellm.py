"""A LiteLLM proxy's configuration, run as it is: groups, aliases, fallbacks, wildcards, references."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from openai import AsyncOpenAI, AuthenticationError

from tests.servers.asking import becomes
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.scripted import ScriptedServer, json_reply

CHAT = "/v1/chat/completions"

CONFIGURATION = """
model_list:
  - model_name: smart
    litellm_params: {model: openai/large, api_base: os.environ/EAST_API_BASE, api_key: os.environ/EAST_KEY}
  - model_name: smart
    litellm_params: {model: openai/large, api_base: os.environ/WEST_API_BASE, api_key: sk-west}
  - model_name: broken
    litellm_params: {model: openai/gone, api_base: os.environ/BROKEN_API_BASE, api_key: none}
  - model_name: "team/*"
    litellm_params: {model: "openai/served-*", api_base: os.environ/WEST_API_BASE, api_key: sk-west}
litellm_settings:
  drop_params: true
  success_callback: ["langfuse"]
  fallbacks: [{"broken": ["smart"]}]
router_settings:
  model_group_alias: {"gpt-4": "smart"}
  num_retries: 0
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""


class Proxy(NamedTuple):
    """The platform with that file, its client, and the upstreams."""

    platform: PlatformProcess
    client: AsyncOpenAI
    east: ScriptedServer
    west: ScriptedServer

    async def answer(self, model: str) -> str | None:
        done = await self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Who answers?"}]
        )
        return done.choices[0].message.content


def upstream(name: str) -> ScriptedServer:
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "large",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": name},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    models = json_reply(b'{"object": "list", "data": [{"id": "large", "object": "model"}]}')
    return (
        ScriptedServer().on("POST", CHAT, json_reply(json.dumps(answer).encode())).on("GET", "/v1/models", models)
    )


@asynccontextmanager
async def proxy(folder: Path) -> AsyncIterator[Proxy]:
    broken = ScriptedServer().on("POST", CHAT, json_reply(b'{"error": {"message": "gone"}}', 500))
    async with AsyncExitStack() as stack:
        east, west = [await stack.enter_async_context(upstream(name)) for name in ("east", "west")]
        await stack.enter_async_context(broken)
        (folder / "litellm.yaml").write_text(CONFIGURATION)
        environment = {
            "EAST_API_BASE": f"{east.url}/v1",
            "WEST_API_BASE": f"{west.url}/v1/",
            "BROKEN_API_BASE": f"{broken.url}/v1",
            "EAST_KEY": "sk-east",
            "LITELLM_MASTER_KEY": "sk-master",
        }
        arguments = ("--config", "litellm.yaml", "--host", "127.0.0.1")
        platform = await stack.enter_async_context(platform_process(folder, *arguments, environment=environment))
        client = AsyncOpenAI(base_url=f"{platform.url}/v1", api_key="sk-master", max_retries=0)
        await stack.enter_async_context(client)
        yield Proxy(platform, client, east, west)
        assert await platform.stop() == 0


async def test_it_serves_as_litellm_does(tmp_path: Path) -> None:
    async with proxy(tmp_path) as running:
        both = await asyncio.gather(*(running.answer(name) for name in ["smart", "gpt-4"] * 20))
        assert Counter(both).keys() == {"east", "west"}
        assert {each.headers["authorization"] for each in running.east.requests_to(CHAT)} == {"Bearer sk-east"}
        assert {each.headers["authorization"] for each in running.west.requests_to(CHAT)} == {"Bearer sk-west"}
        assert await running.answer("broken") in {"east", "west"}
        running.west.received.clear()
        assert await running.answer("team/model-7") == "west"
        assert json.loads(running.west.requests_to(CHAT)[0].body)["model"] == "served-model-7"
        without_version = running.client.with_options(base_url=running.platform.url)
        assert (await running._replace(client=without_version).answer("gpt-4")) in {"east", "west"}
        with pytest.raises(AuthenticationError):
            await running.client.with_options(api_key="sk-other").models.list()
        assert {"smart", "broken"} <= {model.id async for model in await running.client.models.list()}
        told = "litellm.yaml:13: litellm_settings.success_callback: is left out: callbacks are not run"
        assert told in running.platform.log()


async def test_a_changed_file_is_taken_up(tmp_path: Path) -> None:
    async with proxy(tmp_path) as running:
        changed = CONFIGURATION.replace("model_name: broken", "model_name: mended").replace("BROKEN", "EAST")
        (tmp_path / "litellm.yaml").write_text(f"{changed}  alerting: [slack]\n")
        running.platform.process.send_signal(signal.SIGHUP)

        async def mended() -> bool:
            return "mended" in {model.id async for model in await running.client.models.list()}

        await becomes(mended)
        assert await running.answer("mended") == "east"
        log = running.platform.log()
        assert "litellm.yaml:20: general_settings.alerting: is left out" in log
        assert log.count("litellm_settings.success_callback") == 1
        (tmp_path / "litellm.yaml").write_text("model_list: nothing")
        running.platform.process.send_signal(signal.SIGHUP)

        async def refused() -> bool:
            return "litellm.yaml:1: model_list: must be a list" in running.platform.log()

        await becomes(refused)
        assert await running.answer("mended") == "east"
