"""Texts into tokens and back, asked of each server in its own way; real figures from llama.cpp."""

from contextlib import aclosing
from importlib import import_module
from typing import Any

import msgspec
import pytest

from app.core.http import create_transport
from app.domain.chat import ImagePart, Message
from app.domain.errors import ModelNotFound, PlatformError, ProviderProtocolError, UnsupportedFeature
from app.domain.ports import ModelLoader, NearTokenCounter
from app.domain.tokens import Tokenizer, Tokens
from app.integrations.builtin import BUILTIN
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.tokenizing import ServerTokenizer
from tests.integration.integrations.openai_compatible.provider import as_json, config, hello, passed_on, translated
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.scripted import Reply, ScriptedServer, json_reply

CHAT = b'{"model":"alias","messages":[{"role":"user","content":"hi"}],"temperature":0.5}'
MESSAGES = [{"role": "user", "content": "hi"}]
VLLM = {"count": 2, "max_model_len": 4096, "tokens": [1, 2], "token_strs": ["a", "b"]}
PIECES = {"tokens": [{"id": 7, "piece": "a"}, {"id": 8, "piece": [240, 159]}]}
SPECIAL = {"model": "m", "content": "<s>hi", "add_special": True, "with_pieces": True, "parse_special": True}

TALKS: dict[str, tuple[str, dict[str, Any], list[tuple[str, Any]], Tokens]] = {
    "vllm text": (
        "vllm",
        {"/tokenize": VLLM},
        [("/tokenize", {"model": "m", "prompt": "a b", "add_special_tokens": False, "return_token_strs": True})],
        Tokens(ids=[1, 2], pieces=["a", "b"]),
    ),
    "vllm chat": (
        "vllm",
        {"/tokenize": VLLM},
        [("/tokenize", {"model": "m", "messages": MESSAGES, "return_token_strs": True})],
        Tokens(ids=[1, 2], pieces=["a", "b"]),
    ),
    "sglang text": (
        "sglang",
        {"/tokenize": {"count": 2, "max_model_len": 4096, "tokens": [1, 2]}},
        [("/tokenize", {"model": "m", "prompt": "a b", "add_special_tokens": False})],
        Tokens(ids=[1, 2]),
    ),
    "llamacpp text": (
        "llamacpp",
        {"/tokenize": PIECES},
        [("/tokenize", {**SPECIAL, "content": "a b", "add_special": False})],
        Tokens(ids=[7, 8], pieces=["a", "\\xf0\\x9f"]),
    ),
    "llamacpp chat": (
        "llamacpp",
        {"/apply-template": {"prompt": "<s>hi"}, "/tokenize": PIECES},
        [("/apply-template", {"model": "m", "messages": MESSAGES, "temperature": 0.5}), ("/tokenize", SPECIAL)],
        Tokens(ids=[7, 8], pieces=["a", "\\xf0\\x9f"]),
    ),
}


def tokenizer(transport: Any, kind: str) -> ServerTokenizer:
    row = CATALOGUE[kind]
    assert row.tokenizing is not None
    return ServerTokenizer(transport, row, row.tokenizing, 5.0)


@pytest.mark.parametrize("talk", TALKS)
async def test_each_server_is_asked_in_its_way(talk: str) -> None:
    kind, answers, asked, wanted = TALKS[talk]
    async with ScriptedServer() as server:
        for path, answer in answers.items():
            server.on("POST", path, json_reply(msgspec.json.encode(answer)))
        async with aclosing(create_transport(name="up", base_url=server.url)) as transport:
            asking = tokenizer(transport, kind)
            if talk.endswith("chat"):
                told = await asking.tokenize_chat(passed_on(CHAT), pieces=True)
            else:
                told = await asking.tokenize("m", "a b", special=False, pieces=True)
    assert told == wanted
    assert [(each.path, as_json(each.body)) for each in server.received] == asked


@pytest.mark.parametrize(("kind", "field"), [("vllm", "prompt"), ("llamacpp", "content"), ("sglang", "text")])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (None, None),
        (json_reply(b'{"detail":"Not Found"}', 404), UnsupportedFeature),
        (json_reply(b'{"error":{"message":"The model `m` does not exist."}}', 404), ModelNotFound),
        (json_reply(b'{"tokens":[1]}'), ProviderProtocolError),
    ],
)
async def test_back(kind: str, field: str, reply: Reply | None, error: type[PlatformError] | None) -> None:
    said = reply or json_reply(msgspec.json.encode({field: "a b"}))
    async with (
        ScriptedServer().on("POST", "/detokenize", said) as server,
        aclosing(create_transport(name="up", base_url=server.url)) as transport,
    ):
        asking = tokenizer(transport, kind)
        if error is None:
            assert await asking.detokenize("m", [1, 2]) == "a b"
            more = {"skip_special_tokens": False} if kind == "sglang" else {}
            assert as_json(server.received[0].body) == {"model": "m", "tokens": [1, 2], **more}
        else:
            with pytest.raises(error):
                await asking.detokenize("m", [1, 2])


@pytest.mark.parametrize("answer", [b"{}", b'{"tokens":["a"]}', b'{"tokens":3}', b"[]"])
async def test_an_unknown_form(answer: bytes) -> None:
    async with (
        ScriptedServer().on("POST", "/tokenize", json_reply(answer)) as server,
        aclosing(create_transport(name="up", base_url=server.url)) as transport,
    ):
        with pytest.raises(ProviderProtocolError):
            await tokenizer(transport, "vllm").tokenize("m", "hi", special=True, pieces=False)


async def test_a_picture_is_not_the_mark_of_it() -> None:
    picture = Message(role="user", content=(ImagePart(url="https://example.org/a.png"),))
    async with (
        ScriptedServer() as server,
        aclosing(create_transport(name="up", base_url=server.url)) as transport,
    ):
        with pytest.raises(UnsupportedFeature):
            await tokenizer(transport, "llamacpp").tokenize_chat(
                translated(hello(messages=(picture,))), pieces=True
            )
    assert server.received == []


async def test_who_takes_no_chat_is_not_asked() -> None:
    async with (
        ScriptedServer() as server,
        aclosing(create_transport(name="up", base_url=server.url)) as transport,
    ):
        with pytest.raises(UnsupportedFeature, match="of no chat"):
            await tokenizer(transport, "sglang").tokenize_chat(passed_on(CHAT), pieces=False)
    assert server.received == []


async def test_a_real_server(openai_peer: OpenAIPeer) -> None:
    headers = {"authorization": f"Bearer {openai_peer.api_key}"}
    async with aclosing(create_transport(name="up", base_url=openai_peer.url, headers=headers)) as transport:
        asking = tokenizer(transport, "llamacpp")
        text = "<|im_start|>Größe 🐳"
        told = await asking.tokenize(openai_peer.model, text, special=True, pieces=True)
        assert told.pieces is not None
        assert told.pieces[0] == "<|im_start|>"
        assert await asking.detokenize(openai_peer.model, told.ids) == text
        chat = await asking.tokenize_chat(passed_on(CHAT, model=openai_peer.model), pieces=False)
        assert chat.pieces is None
        assert len(chat.ids) > 5


@pytest.mark.parametrize("kind", CATALOGUE)
def test_only_who_can_is_asked(kind: str) -> None:
    """`isinstance` is what callers go by, so the class says it."""
    module, _, name = BUILTIN[kind].partition(":")
    built = getattr(import_module(module), name)(config("http://127.0.0.1:1", kind))
    row = CATALOGUE[kind]
    assert isinstance(built, Tokenizer) is (row.tokenizing is not None)
    assert isinstance(built, NearTokenCounter) is bool(row.counting)
    assert isinstance(built, ModelLoader) is (row.residence is not None)
