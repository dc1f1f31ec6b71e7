"""One of several keys is revoked, another at its limit: no caller notices, and the operator can see it."""

from pathlib import Path

from tests.servers.asking import CHAT, becomes, chat, status_of
from tests.servers.platform_process import platform_process
from tests.servers.scripted import ScriptedServer, json_reply

CONFIGURATION = """
integrations:
  up:
    kind: openai_compatible
    health_check_interval: 0.05
    settings: {{base_url: "{url}", api_keys: [canary-a, canary-b, canary-c]}}
"""
ANSWER = json_reply(
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
REVOKED = json_reply(b'{"error":{"message":"Incorrect API key provided: canary-a"}}', 401)
LIMITED = json_reply(b'{"error":{"message":"Rate limit reached"}}', 429, retry_after="60")


async def test_a_request_goes_on_with_the_next_key(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", json_reply(b'{"data":[{"id":"m"}]}'))
        server.on("POST", CHAT, REVOKED, LIMITED, ANSWER)
        (tmp_path / "llm-platform.yaml").write_text(CONFIGURATION.format(url=server.url))
        async with platform_process(tmp_path) as platform:
            first, second = [await chat(platform.port, "m") for _ in range(2)]
            sent = [request.headers["authorization"][-1] for request in server.requests_to(CHAT)]

            async def degraded() -> bool:
                return (await status_of(platform.port, "up"))["state"] == "degraded"

            await becomes(degraded)
            status = await status_of(platform.port, "up")
            shown = f"{status} {first} {second} {platform.log()}"
    assert [first.status, second.status] == [200, 200], shown
    assert [first.headers["x-llm-attempts"], second.headers["x-llm-attempts"]] == ["3", "1"]
    assert len(set(sent[:3])) == 3
    assert sent[3] == sent[2]
    assert "is refused" in status["reason"]
    assert "canary" not in shown
