"""No request chooses where the platform sends it, or with whose key, by any of the ways that people try."""

from pathlib import Path
from typing import Any

from tests.servers.platform_process import platform_process
from tests.servers.raw_client import post
from tests.servers.scripted import ScriptedServer, json_reply

CONFIGURATION = """
integrations:
  up:
    kind: openai_compatible
    settings: {{base_url: "{url}", api_key: platform-key}}
"""
ANSWER = json_reply(
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","data":[],"choices":[{"index":0,"text":"x",'
    b'"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}'
)
CANARY = "canary-key"
MESSAGES = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/responses": {"input": "hi", "store": False},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 5},
}


def fields(trap: str) -> list[dict[str, Any]]:
    bearer = {"authorization": f"Bearer {CANARY}", "host": trap}
    return [
        *(
            {name: trap}
            for name in ("base_url", "api_base", "api_url", "url", "endpoint", "host", "proxy", "target")
        ),
        *(
            {name: f"{trap}/v1"}
            for name in ("openai_api_base", "azure_endpoint", "custom_host", "upstream", "server")
        ),
        *({name: CANARY} for name in ("api_key", "apiKey", "key", "token", "openai_api_key", "authorization")),
        *({name: bearer} for name in ("headers", "extra_headers", "default_headers", "metadata")),
        *(
            {name: {"api_base": trap, "base_url": trap, "api_key": CANARY, "headers": bearer}}
            for name in ("extra_body", "litellm_params", "user_config", "provider", "config", "stream_options")
        ),
        {"fallbacks": [{"model": "m", "api_base": trap, "api_key": CANARY}]},
        {"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m", "api_base": trap}}]},
        {"api_base": trap, "api_key": CANARY, "custom_llm_provider": "openai", "stream": True},
        *({"model": name} for name in (trap, f"{trap}/v1/m", f"up/{trap}/m", f"openai/m@{trap}", "up/../m")),
    ]


def headers(trap: str) -> list[dict[str, str]]:
    return [
        *(
            {name: trap}
            for name in (
                *("host", "forwarded", "x-forwarded-host", "x-original-url", "x-rewrite-url", "x-base-url"),
                *("x-api-base", "x-upstream-url", "x-target-url", "x-portkey-custom-host", "helicone-target-url"),
                *("x-litellm-api-base", "x-stainless-base-url", "openai-base-url", "anthropic-base-url"),
            )
        ),
        *(
            {name: CANARY}
            for name in (
                *(
                    "x-portkey-api-key",
                    "x-upstream-authorization",
                    "openai-organization",
                    "api-key",
                    "x-goog-api-key",
                ),
                *("proxy-authorization", "x-provider-key", "x-litellm-api-key", "cookie", "x-extra"),
            )
        ),
    ]


async def test_the_address_and_the_key_are_the_configurations(tmp_path: Path) -> None:
    async with ScriptedServer() as server, ScriptedServer() as trap:
        server.on("GET", "/v1/models", json_reply(b'{"data":[{"id":"m"}]}'))
        for path in BODIES:
            server.on("POST", path, ANSWER)
        (tmp_path / "llm-platform.yaml").write_text(CONFIGURATION.format(url=server.url))
        async with platform_process(tmp_path, environment={"LLM_PLATFORM_API_KEY": "master-key"}) as platform:
            for path, body in BODIES.items():
                for extra in fields(trap.url):
                    await ask(platform.port, path, {"model": "up/m", **body, **extra}, {})
                for extra in headers(trap.url):
                    await ask(platform.port, path, {"model": "up/m", **body}, extra)
        assert trap.connections == 0
        assert len(server.received) > len(BODIES) * 50
        assert {request.headers.get("authorization") for request in server.received} == {"Bearer platform-key"}
        assert {request.headers["host"] for request in server.received} == {server.url.removeprefix("http://")}
        assert {request.path for request in server.received} <= {"/v1/models", *BODIES}
        sent = [f"{name}: {value}" for request in server.received for name, value in request.headers.items()]
        assert [line for line in sent if "canary" in line or "master" in line or trap.url in line] == []
        assert not [request for request in server.received if b"master-key" in request.body]


async def ask(port: int, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Whatever is answered, it is no defect of the platform's."""
    reply = await post(port, path, body, {"authorization": "Bearer master-key", **headers})
    assert reply.status < 500, reply
