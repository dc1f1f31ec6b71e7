"""Rankings by servers that make them: the caller's bytes in, the server's bytes out."""

import pytest

from app.domain.errors import ProviderProtocolError, UnsupportedFeature, UpstreamError
from app.domain.events import Opaque, UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.rerank import RerankRequest
from app.domain.usage import Usage
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.wire import rerank
from tests.integration.integrations.openai_compatible.provider import everything, running
from tests.servers.scripted import ScriptedServer, json_reply

BODY = b'{ "query":"q","documents":["a",{"text":"b"}], "model":"alias","top_n":1,"x":[1.0] }'
ANSWER = b'{ "results":[{"index":1,"relevance_score":0.50}],"usage":{"total_tokens":9} }'


def asked(body: bytes = BODY) -> Exchange[RerankRequest]:
    return Exchange(model="m", decode=lambda: rerank.decode(body), encoded=Encoded("rerank", body, rerank.splice))


@pytest.mark.parametrize("kind", ["openai_compatible", "vllm", "sglang", "llamacpp", "localai"])
async def test_who_ranks_is_handed_the_question_as_it_is(kind: str) -> None:
    async with ScriptedServer() as server:
        server.on("POST", "/v1/rerank", json_reply(ANSWER))
        async with running(server, kind) as integration:
            events = await everything(integration.rerank, asked())
        assert events == [Opaque("rerank", ANSWER, whole=True), UsageReported(usage=Usage(input_tokens=9))]
        (request,) = server.requests_to("/v1/rerank")
        assert request.body == BODY.replace(b'"alias"', b'"m"')


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"<html>", 200, ProviderProtocolError),
        (b'{"error":{"message":"it broke","type":"server_error"}}', 200, UpstreamError),
        (b'{"error":{"message":"it broke"}}', 500, UpstreamError),
    ],
)
async def test_an_answer_that_is_none(answer: bytes, status: int, error: type[Exception]) -> None:
    async with ScriptedServer() as server:
        server.on("POST", "/v1/rerank", json_reply(answer, status))
        async with running(server) as integration:
            with pytest.raises(error):
                await everything(integration.rerank, asked())


async def test_who_does_not_rank_says_so() -> None:
    assert not CATALOGUE["tgi"].reranks
    async with ScriptedServer() as server, running(server, "tgi") as integration:
        with pytest.raises(UnsupportedFeature, match="offers no reranking"):
            await everything(integration.rerank, asked())
