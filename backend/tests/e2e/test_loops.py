"""A platform whose target leads back to itself: a request that goes in circles comes to an end, and says why."""

import json
from pathlib import Path

from tests.servers.asking import CHAT, chat
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import post

CONFIGURATION = """
integrations:
  mirror:
    kind: openai_compatible
    health_check_interval: 0
    settings: {{base_url: "{url}", models: [m], discover: false}}
models: {{m: mirror/m}}
"""


async def test_a_request_in_circles_is_refused_after_a_few_rounds(tmp_path: Path) -> None:
    configuration = tmp_path / "llm-platform.yaml"
    configuration.write_text(CONFIGURATION.format(url="http://127.0.0.1:9"))
    async with platform_process(tmp_path) as platform:
        configuration.write_text(CONFIGURATION.format(url=platform.url))
        assert (await post(platform.port, "/admin/reload", {})).status == 200
        for stream in (False, True):
            reply = await chat(platform.port, "m", stream=stream)
            assert (reply.status, reply.json()["error"]["code"]) == (400, "loop_detected")
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
        for odd in ("5", "-1", "x" * 10):
            assert (await post(platform.port, CHAT, body, {"x-llm-hops": odd})).status == 400
