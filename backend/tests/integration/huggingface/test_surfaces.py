"""Searching and pulling by REST and GraphQL: what is found, and what is refused."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers.asking import becomes
from tests.servers.hub_fake import HubFake, Repo
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"Authorization": f"Bearer {MASTER}"}
TINY = Repo("org/tiny", {"tiny-Q8_0.gguf": b"x" * 2048}, ["gguf", "license:mit"], downloads=5, gated=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with HubFake(TINY) as hub:
        integrations = {"huggingface_hub": {"settings": {"hub_url": hub.url}}}
        async with whole_platform(tmp_path_factory.mktemp("hub"), integrations=integrations) as platform:
            await becomes(lambda: _serves(platform))
            yield platform


async def _serves(whole: Whole) -> bool:
    return whole.platform.manager.serves("huggingface_hub")


async def test_search(whole: Whole) -> None:
    found = (await get(whole.port, "/models/search?q=tiny&limit=1&tags=gguf,license:mit", KEY)).json()["models"]
    assert found == [
        {
            "name": "hf:org/tiny",
            "provider": "huggingface_hub",
            "task": "text-generation",
            "formats": ["gguf"],
            "parameters": 494032768,
            "context_window": 32768,
            "license": "mit",
            "gated": True,
            "downloads": 5,
            "likes": 7,
            "updated": 1767312000.0,
        }
    ]
    fields = "name provider formats parameters contextWindow license gated downloads updated"
    query = f'{{ searchModels(query: "tiny", first: 1) {{ {fields} }} }}'
    told = (await post(whole.port, "/graphql", {"query": query}, KEY)).json()["data"]["searchModels"]
    assert told == [
        {
            "name": "hf:org/tiny",
            "provider": "huggingface_hub",
            "formats": ["gguf"],
            "parameters": 494032768,
            "contextWindow": 32768,
            "license": "mit",
            "gated": True,
            "downloads": 5,
            "updated": "2026-01-02T00:00:00+00:00",
        }
    ]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("limit=0", "`limit` must lie between 1 and 100"),
        ("limit=x", "limit"),
        ("sort=beauty", "Models are sorted by"),
        ("colour=red", "colour"),
        (f"q={'x' * 201}", "200 characters"),
    ],
)
async def test_what_is_no_search(whole: Whole, wanted: str, said: str) -> None:
    reply = await get(whole.port, f"/models/search?{wanted}", KEY)
    assert reply.status == 400, reply
    assert said in reply.json()["error"]["message"]


async def test_a_name_that_is_none_begins_no_job(whole: Whole) -> None:
    for name in ("hf:../../etc/passwd", "huggingface_hub/org/..", "hf:"):
        reply = await post(whole.port, "/models/pull", {"model": name}, KEY)
        assert (reply.status, reply.json()["error"]["param"]) == (400, "model")
    assert (await get(whole.port, "/models/jobs", KEY)).json()["jobs"] == []


@pytest.mark.parametrize("name", ["org/tiny", "gpt2", "hf/org/tiny"])
async def test_a_name_as_the_hub_s_pages_have_it_is_told_how_to_write(whole: Whole, name: str) -> None:
    reply = await post(whole.port, "/models/pull", {"model": name}, KEY)
    assert reply.status == 404
    assert f"'hf:{name}'" in reply.json()["error"]["message"]


async def test_one_that_is_gated_ends_its_job(whole: Whole) -> None:
    reply = await post(whole.port, "/models/pull", {"model": "hf:org/tiny", "stream": True}, KEY)
    *_, last = (line for line in reply.body.decode().splitlines() if line.startswith("data: "))
    assert '"error_kind":"permission_denied"' in last
    assert "accept its terms at" in last


async def test_without_the_integration(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole.platform.manager, "providing", lambda _: [])
    for reply in (
        await get(whole.port, "/models/search?q=x", KEY),
        await post(whole.port, "/models/pull", {"model": "hf:org/tiny"}, KEY),
    ):
        assert reply.status == 400
        assert "'huggingface_hub'" in reply.json()["error"]["message"]
