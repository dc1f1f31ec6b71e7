"""What each vendor says of its models, asked over HTTP and read into the platform's words."""

from contextlib import aclosing

import msgspec
import pytest

from app.core.http import create_transport
from app.domain.errors import ProviderProtocolError, UpstreamAuthFailed, UpstreamUnavailable
from app.domain.models import ModelInfo
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.discovery import discover, named
from tests.integration.integrations.openai_compatible.listings import SERVERS, Listing
from tests.integration.integrations.openai_compatible.listings_of_clouds import CLOUDS
from tests.integration.integrations.openai_compatible.listings_of_more_clouds import MORE_CLOUDS
from tests.servers.scripted import Reply, ScriptedServer, json_reply

LISTINGS = SERVERS + CLOUDS + MORE_CLOUDS
LIST = b'{"data":[{"id":"m"}]}'


async def found(server: ScriptedServer, kind: str) -> Models | None:
    async with aclosing(create_transport(name="there", base_url=server.url)) as transport:
        return await discover(transport, CATALOGUE[kind], 5.0)


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.kind)
async def test_a_vendors_list(listing: Listing) -> None:
    async with ScriptedServer() as server:
        for path, answer in listing.answers.items():
            server.on("GET", path, json_reply(msgspec.json.encode(answer)))
        models = await found(server, listing.kind)
    assert models == tuple(
        ModelInfo(id=id, provider="there", capabilities=frozenset(capabilities), **known)
        for id, capabilities, known in listing.models
    )


def test_every_vendor_has_a_recorded_list() -> None:
    assert {listing.kind for listing in LISTINGS} == set(CATALOGUE)


@pytest.mark.parametrize("kind", CATALOGUE)
async def test_a_server_without_a_list(kind: str) -> None:
    async with ScriptedServer() as server:
        assert await found(server, kind) is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply(b'{"error":{"message":"sk-canary is wrong"}}', 401), UpstreamAuthFailed),
        (json_reply(b"{}", 403), UpstreamAuthFailed),
        (json_reply(b"{}", 503), UpstreamUnavailable),
        (json_reply(b"<html>"), ProviderProtocolError),
        (json_reply(b'{"models":[]}'), ProviderProtocolError),
        (json_reply(b'"x"'), ProviderProtocolError),
        (Reply(raw=b"220 smtp.example ESMTP\r\n"), ProviderProtocolError),
    ],
)
async def test_a_list_that_cannot_be_had(reply: Reply, error: type[Exception]) -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", reply)
        with pytest.raises(error) as caught:
            await found(server, "openai_compatible")
    assert "there" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("reply", [json_reply(b"oops"), json_reply(b"[]"), json_reply(b"{}", 500)])
async def test_facts_are_not_needed(reply: Reply) -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", json_reply(LIST)).on("GET", "/props", reply)
        assert await found(server, "llamacpp") == (named("m", CATALOGUE["llamacpp"], "there"),)


async def test_facts_that_the_key_does_not_open_tell_of_a_bad_key() -> None:
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", json_reply(LIST)).on("GET", "/props", json_reply(b"{}", 401))
        with pytest.raises(UpstreamAuthFailed):
            await found(server, "llamacpp")


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("BAAI/bge-large-en-v1.5", {"embedding"}),
        ("intfloat/e5-mistral-7b", {"embedding"}),
        ("all-MiniLM-L6-v2", {"embedding"}),
        ("mxbai-embed-large", {"embedding"}),
        ("BAAI/bge-reranker-v2-m3", {"rerank"}),
        ("openai/whisper-large-v3", {"audio"}),
        ("gpt-4o-transcribe", {"audio"}),
        ("omni-moderation-latest", set()),
        ("stabilityai/stable-diffusion-3", set()),
        ("llama-3.1-8b", {"chat", "completion"}),
        ("gemma-2-9b", {"chat", "completion"}),
        ("the-bgentle-model", {"chat", "completion"}),
    ],
)
def test_a_name_is_all_there_is_to_go_by(name: str, capabilities: set[str]) -> None:
    assert named(name, CATALOGUE["vllm"], "there").capabilities == capabilities
