"""How long a prompt is, asked of each server in its own way; real figures from llama.cpp."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from app.core.http import create_transport
from app.core.integration_framework import IntegrationConfig
from app.domain.chat import ChatRequest, ImagePart, Message, Tool
from app.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamUnavailable,
)
from app.domain.exchange import Exchange
from app.domain.streams import collect
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.counting import count
from app.integrations.model_platforms.openai_compatible.integration import TokenCountingIntegration
from app.integrations.model_platforms.openai_compatible.vendor import Vendor
from tests.integration.integrations.openai_compatible.provider import as_json, hello, passed_on, translated
from tests.integration.integrations.openai_compatible.test_real_peer import SHORT, connected
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.scripted import Reply, ScriptedServer, json_reply

CHAT = b'{"model":"alias","messages":[{"role":"user","content":"hi"}],"tools":[],"temperature":0.5}'
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": []}
WHOLE = {**ASKED, "temperature": 0.5}


@dataclass(frozen=True)
class Talk:
    """`answers`: path → what the server says. `asked`: what it is to be asked, in this order."""

    kind: str
    answers: dict[str, Any]
    asked: list[tuple[str, Any]]
    tokens: int


TALKS = [
    Talk(
        "vllm",
        {"/tokenize": {"count": 3, "max_model_len": 4096, "tokens": [1, 2, 3], "token_strs": None}},
        [("/tokenize", ASKED)],
        3,
    ),
    Talk(
        "tgi",
        {"/chat_tokenize": {"tokenize_response": [{"id": 1}, {"id": 2}], "templated_text": "<s>hi"}},
        [("/chat_tokenize", WHOLE)],
        2,
    ),
    Talk(
        "llamacpp",
        {"/v1/chat/completions/input_tokens": {"object": "response.input_tokens", "input_tokens": 32}},
        [("/v1/chat/completions/input_tokens", WHOLE)],
        32,
    ),
    Talk(
        "llamacpp",  # before it could be asked in one go
        {"/apply-template": {"prompt": "<s>hi"}, "/tokenize": {"tokens": [7, 8, 9, 10]}},
        [
            ("/v1/chat/completions/input_tokens", WHOLE),
            ("/apply-template", WHOLE),
            ("/tokenize", {"model": "m", "content": "<s>hi", "add_special": True, "parse_special": True}),
        ],
        4,
    ),
    Talk(
        "text_generation_webui",
        {"/v1/internal/chat-prompt": {"prompt": "<s>hi"}, "/v1/internal/token-count": {"length": 5}},
        [("/v1/internal/chat-prompt", WHOLE), ("/v1/internal/token-count", {"model": "m", "text": "<s>hi"})],
        5,
    ),
]


async def counted(server: ScriptedServer, vendor: Vendor, exchange: Exchange[ChatRequest]) -> int:
    async with aclosing(create_transport(name="up", base_url=server.url)) as transport:
        return await count(transport, vendor, exchange, 5.0)


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: f"{talk.kind}-{talk.tokens}")
async def test_each_server_is_asked_in_its_way(talk: Talk) -> None:
    async with ScriptedServer() as server:
        for path, answer in talk.answers.items():
            server.on("POST", path, json_reply(msgspec.json.encode(answer)))
        assert await counted(server, CATALOGUE[talk.kind], passed_on(CHAT)) == talk.tokens
    assert [(each.path, as_json(each.body)) for each in server.received] == talk.asked


def test_every_server_that_counts_has_its_talk() -> None:
    assert {talk.kind for talk in TALKS} == {kind for kind, row in CATALOGUE.items() if row.counting}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply(b'{"detail":"Not Found"}', 404), UnsupportedFeature),
        (json_reply(b"{}", 405), UnsupportedFeature),
        (json_reply(b'{"error":{"message":"The model `m` does not exist."}}', 404), ModelNotFound),
        (json_reply(b'{"error":{"message":"messages: bad"}}', 400), InvalidRequest),
        (json_reply(b"{}", 401), UpstreamAuthFailed),
        (json_reply(b"{}", 503), UpstreamUnavailable),
        (json_reply(b'{"tokens":[1]}'), ProviderProtocolError),
        (json_reply(b'{"count":"3"}'), ProviderProtocolError),
        (json_reply(b"oops"), ProviderProtocolError),
    ],
)
async def test_a_server_that_does_not_count(reply: Reply, error: type[Exception]) -> None:
    async with ScriptedServer().on("POST", "/tokenize", reply) as server:
        with pytest.raises(error):
            await counted(server, CATALOGUE["vllm"], passed_on(CHAT))


async def test_a_picture_is_not_counted_by_its_mark() -> None:
    """The way that knows pictures is asked; the one that lays out a prompt is not."""
    picture = Message(role="user", content=(ImagePart(url="https://example.org/a.png"),))
    async with ScriptedServer() as server:
        with pytest.raises(UnsupportedFeature):
            await counted(server, CATALOGUE["llamacpp"], translated(hello(messages=(picture,))))
    assert [each.path for each in server.received] == ["/v1/chat/completions/input_tokens"]


@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("tools", [(), (Tool(name="get_pods", parameters={"type": "object", "properties": {}}),)])
async def test_it_is_what_the_answer_then_reports(
    openai_peer: OpenAIPeer, way: int, tools: tuple[Tool, ...]
) -> None:
    row = CATALOGUE["llamacpp"]
    one_way = msgspec.structs.replace(row, counting=row.counting[way : way + 1])
    exchange = translated(hello(tools=tools, sampling=SHORT), model=openai_peer.model)
    headers = {"authorization": f"Bearer {openai_peer.api_key}"}
    async with aclosing(create_transport(name="up", base_url=openai_peer.url, headers=headers)) as transport:
        told = await count(transport, one_way, exchange, 5.0)
    async with connected(openai_peer) as integration, aclosing(await integration.chat(exchange)) as events:
        usage = (await collect(events)).usage
    assert usage is not None
    assert told == usage.input_tokens
    assert told > 5


async def test_what_does_not_fit_is_counted_all_the_same(openai_peer: OpenAIPeer) -> None:
    long = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"pod " * 3000)
    settings = {"base_url": openai_peer.url, "api_key": openai_peer.api_key}
    integration = TokenCountingIntegration(IntegrationConfig(name="up", kind="llamacpp", settings=settings))
    try:
        await integration.initialize()
        assert await integration.count_tokens(passed_on(long, model=openai_peer.model)) > 3000
    finally:
        await integration.shutdown()
