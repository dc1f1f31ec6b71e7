"""POST /v1/rerank, from the door to a model and back: routed, counted, refused and recorded as all else is."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.integrations.local_models.test_ranking import TEXTS, write_ranker
from tests.servers.asking import becomes
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Authorization": f"Bearer {MASTER}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_ranker(folder / "ranker.gguf")
    integrations = {"custom_models": {"enabled": True, "settings": {"directory": str(folder), "threads": 1}}}
    models = {"best": "custom_models/ranker"}
    async with whole_platform(
        tmp_path_factory.mktemp("data"), integrations=integrations, models=models
    ) as platform:

        async def serves() -> bool:
            return platform.platform.manager.serves("custom_models")

        await becomes(serves)
        yield platform


def question(model: str, documents: Sequence[Any] = TEXTS, **fields: Any) -> dict[str, Any]:
    return {"model": model, "query": "What is a pod?", "documents": documents, **fields}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
@pytest.mark.parametrize("model", ["best", "ranker", "custom_models/ranker"])
async def test_documents_are_ranked(whole: Whole, path: str, model: str) -> None:
    reply = await post(whole.port, path, question(model, top_n=2), KEY)
    assert reply.status == 200, reply
    assert [result.keys() for result in reply.json()["results"]] == [{"index", "relevance_score"}] * 2
    explained = (await get(whole.port, f"/v1/requests/{reply.headers['x-request-id']}/explain", KEY)).json()
    assert (explained["operation"], explained["outcome"]) == ("rerank", "ok")
    assert explained["tokens"]["input"] == reply.json()["usage"]["total_tokens"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (question("best", []), 400, "documents"),
        (question("best", [{"title": "x"}]), 400, "documents"),
        (question("best", ["x"], top_n=0), 400, "top_n"),
        ({"model": "best", "documents": ["x"]}, 400, "query"),
        (question("best", ["word " * 3000]), 400, None),
        (question("demo", ["x"]), 400, "model"),
        (question("nobody", ["x"]), 404, "model"),
        (question("peer/echo", ["x"]), 400, None),
    ],
)
async def test_what_is_refused(whole: Whole, body: dict[str, Any], status: int, param: str | None) -> None:
    reply = await post(whole.port, "/v1/rerank", body, KEY)
    assert reply.status == status, reply
    if param is not None:
        assert reply.json()["error"]["param"] == param


async def test_nobody_ranks_without_a_key(whole: Whole) -> None:
    reply = await post(whole.port, "/v1/rerank", question("best"))
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (401, "invalid_api_key")
