"""POST /tokenize and /detokenize in vLLM's shapes, whoever has the tokenizer."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from app.domain.errors import UnsupportedFeature
from app.domain.exchange import Exchange
from app.domain.tokens import Tokens
from app.testing.providers import ScriptedProvider
from tests.rest.gateway import ANSWER, gateway
from tests.rest.test_limits import RATES, SMALL, admission
from tests.servers.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Words(ScriptedProvider):
    """A word is a token, its length the number. Special is 0."""

    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        assert model == "model"
        words = ["<s>"] * special + text.split()
        return Tokens(ids=[len(word) % 3 for word in words], pieces=words if pieces else None)

    async def tokenize_chat(self, exchange: Exchange[Any], *, pieces: bool) -> Tokens:
        body = exchange.body_as("openai_chat")
        assert body is not None
        assert b'"tools"' in body
        return await self.tokenize(
            exchange.model, exchange.request.messages[0].content[0].text, special=True, pieces=pieces
        )

    async def detokenize(self, model: str, ids: Sequence[int]) -> str:
        return " ".join(f"{model}-{id}" for id in ids)


class Lost(Words):
    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        raise UnsupportedFeature("not this one")


CHAT = {"messages": [{"role": "user", "content": "a bc"}], "tools": []}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    async with gateway(Words(ANSWER)) as platform:
        yield platform.port


@pytest.mark.parametrize(
    ("asked", "tokens", "pieces"),
    [
        ({"prompt": "a bc"}, [0, 1, 2], None),
        ({"prompt": "a bc", "add_special_tokens": True, "return_token_strs": None}, [0, 1, 2], None),
        ({"prompt": "a bc", "add_special_tokens": False, "return_token_strs": True}, [1, 2], ["a", "bc"]),
        ({"prompt": "", "messages": None, "add_special_tokens": False}, [], None),
        ({**CHAT, "return_token_strs": True}, [0, 1, 2], ["<s>", "a", "bc"]),
    ],
)
async def test_a_text_and_a_chat(
    port: int, asked: dict[str, Any], tokens: list[int], pieces: list[str] | None
) -> None:
    reply = await post(port, "/tokenize", {"model": "scripted/model", **asked})
    assert reply.status == 200
    wanted = {"count": len(tokens), "max_model_len": None, "tokens": tokens, "token_strs": pieces}
    assert reply.json() == wanted


async def test_and_back(port: int) -> None:
    reply = await post(port, "/detokenize", {"model": "scripted/model", "tokens": [1, 2]})
    assert (reply.status, reply.json()) == (200, {"prompt": "model-1 model-2"})


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {}, 400, "prompt"),
        ("/tokenize", {"prompt": "hi", **CHAT}, 400, "prompt"),
        ("/tokenize", {"prompt": 1}, 400, "prompt"),
        ("/tokenize", {"prompt": "hi", "model": None}, 400, "model"),
        ("/tokenize", {"prompt": "hi", "model": "none"}, 404, "model"),
        ("/tokenize", {"messages": []}, 400, "messages"),
        ("/tokenize", {"messages": [{"role": 1}]}, 400, "messages[0].role"),
        ("/detokenize", {}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens[0]"),
        ("/detokenize", {"tokens": [2**31]}, 400, "tokens[0]"),
        ("/detokenize", {"tokens": ["1"]}, 400, "tokens[0]"),
        ("/detokenize", {"tokens": [1], "model": "none"}, 404, "model"),
    ],
)
async def test_what_is_wrong_is_told(port: int, path: str, body: dict[str, Any], status: int, param: str) -> None:
    reply = await post(port, path, {"model": "model", **body})
    assert (reply.status, reply.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("provider", [ScriptedProvider(ANSWER), Lost(ANSWER)])
async def test_who_has_no_tokenizer_says_so(provider: ScriptedProvider) -> None:
    async with gateway(provider) as platform:
        reply = await post(platform.port, "/tokenize", {"model": "model", "prompt": "hi"})
        error = reply.json()["error"]
        assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", "model")
        assert "'model'" in error["message"]
    async with gateway() as platform:
        assert (await post(platform.port, "/detokenize", {"model": "model", "tokens": [1]})).status == 400


async def test_each_is_a_request_by_the_limits_of_a_tier_that_names_its_models() -> None:
    tier = msgspec.structs.replace(SMALL, rates=RATES)
    async with gateway(Words(ANSWER), admission=admission(tier)) as platform:
        asked = [
            ("/tokenize", {"prompt": "hi"}),
            ("/detokenize", {"tokens": [1]}),
            ("/tokenize", {"prompt": "hi"}),
        ]
        told = [await post(platform.port, path, {"model": "model", **body}) for path, body in asked]
        assert [each.status for each in told] == [200, 200, 429]
        assert (await post(platform.port, "/tokenize", {"model": "secret", "prompt": "hi"})).status == 403


async def test_without_the_dialect_there_is_no_such_route() -> None:
    async with gateway(Words(ANSWER), front_ends=("anthropic_api",)) as platform:
        assert (await post(platform.port, "/tokenize", {"model": "model", "prompt": "hi"})).status == 404
