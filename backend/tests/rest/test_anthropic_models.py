"""Counting tokens, and the list of models as callers of the Anthropic dialect see it."""

from typing import Any

import pytest

from app.domain.errors import UnsupportedFeature
from app.domain.exchange import Exchange
from app.testing.providers import ScriptedProvider
from tests.rest.gateway import ANSWER, gateway
from tests.servers.raw_client import get, post

COUNT = "/v1/messages/count_tokens"
ASKED = {"model": "model", "messages": [{"role": "user", "content": "How are you today?"}]}
VERSION = {"anthropic-version": "2023-06-01"}


class Counting(ScriptedProvider):
    async def count_tokens(self, exchange: Exchange[Any]) -> int:
        """As many as the prompt has words; the model's own name must have arrived."""
        assert exchange.model == "model"
        return len(exchange.request.messages[0].content[0].text.split())


async def test_tokens_are_counted_by_who_can() -> None:
    async with gateway(Counting(ANSWER)) as platform:
        reply = await post(platform.port, COUNT, {**ASKED, "model": "scripted/model"})
        assert (reply.status, reply.json()) == (200, {"input_tokens": 4})
        assert reply.headers["x-llm-token-count"] == "exact"
        assert platform.provider.exchanges == []


class Lost(ScriptedProvider):
    async def count_tokens(self, exchange: Exchange[Any]) -> int:
        raise UnsupportedFeature("not this request")


async def test_what_its_server_cannot_count_is_estimated() -> None:
    async with gateway(Lost(ANSWER)) as platform:
        reply = await post(platform.port, COUNT, ASKED)
        assert reply.status == 200
        assert reply.headers["x-llm-token-count"] == "estimated"


async def test_an_estimate_says_that_it_is_one() -> None:
    async with gateway() as platform:
        short = await post(platform.port, COUNT, ASKED)
        tools = [{"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}]
        long = await post(platform.port, COUNT, {**ASKED, "system": "Be brief. " * 50, "tools": tools})
        assert short.json()["estimated"] is True
        assert short.headers["x-llm-token-count"] == "estimated"
        assert 4 <= short.json()["input_tokens"] <= 20
        assert long.json()["input_tokens"] > short.json()["input_tokens"] + 100
        assert platform.provider.exchanges == []


MODELS = ("a", "b/c", "d")


async def models(path: str, headers: dict[str, str] | None = None) -> Any:
    async with gateway(ScriptedProvider(ANSWER, models=MODELS)) as platform:
        reply = await get(platform.port, path, VERSION if headers is None else headers)
        if headers is None:
            assert reply.headers["request-id"] == reply.headers["x-request-id"]
        return reply.json()


async def test_the_version_header_tells_the_two_lists_apart() -> None:
    theirs, ours = await models("/v1/models"), await models("/v1/models", {})
    assert [model["id"] for model in theirs["data"]] == [model["id"] for model in ours["data"]] == list(MODELS)
    assert (theirs["has_more"], theirs["first_id"], theirs["last_id"]) == (False, "a", "d")
    assert "object" in ours
    assert "object" not in theirs


@pytest.mark.parametrize("model", MODELS)
async def test_one_model(model: str) -> None:
    assert await models(f"/v1/models/{model}") == {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
    }
    assert (await models(f"/v1/models/{model}", {}))["object"] == "model"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("limit=2", ["a", "b/c"], True),
        ("limit=2&after_id=b/c", ["d"], False),
        ("limit=1&after_id=a", ["b/c"], True),
        ("limit=1&before_id=d", ["b/c"], True),
        ("before_id=b/c", ["a"], False),
        ("after_id=d", [], False),
    ],
)
async def test_pages(query: str, ids: list[str], more: bool) -> None:
    page = await models(f"/v1/models?{query}")
    assert [model["id"] for model in page["data"]] == ids
    assert (page["has_more"], page["first_id"]) == (more, ids[0] if ids else None)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/models/nothing", "not_found_error"),
        ("/v1/models?after_id=nothing", "invalid_request_error"),
        ("/v1/models?limit=0", "invalid_request_error"),
    ],
)
async def test_errors_are_in_the_same_words(path: str, kind: str) -> None:
    body = await models(path)
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"]
