"""gql (https://gql.readthedocs.io) against the running platform, by its WebSocket transport."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from gql import Client, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.e2e.conftest import KEY
from tests.e2e.features import ANSWER
from tests.servers.platform_process import PlatformProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]
GENERATE = """
subscription Tokens($model: String!) {
  generate(model: $model, prompt: "What is a pod?", options: {temperature: 0}) {
    __typename
    ... on TextDelta { text }
    ... on Done { finishReason usage { inputTokens outputTokens } }
  }
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def session(platform: PlatformProcess) -> AsyncIterator[AsyncClientSession]:
    """Its schema fetched from the platform, so that gql checks every document before it is sent."""
    transport = WebsocketsTransport(
        f"ws://127.0.0.1:{platform.port}/graphql", init_payload={"authorization": f"Bearer {KEY}"}
    )
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        yield session


@pytest.mark.parametrize("model", CHATTING)
async def test_an_answer_token_by_token(session: AsyncClientSession, model: str) -> None:
    asked = gql(GENERATE)
    asked.variable_values = {"model": model}
    events = [each["generate"] async for each in session.subscribe(asked)]
    texts = [event["text"] for event in events if event["__typename"] == "TextDelta"]
    assert len(texts) > 3
    assert "".join(texts) == ANSWER
    assert events[0]["__typename"] == "Started"
    assert events[-1]["finishReason"] == "STOP"
    assert events[-1]["usage"]["outputTokens"] > 10


async def test_queries_and_a_mutation(session: AsyncClientSession) -> None:
    found = await session.execute(gql("{ models { id provider status } integrations { name state } }"))
    assert {"demo", "smart"} <= {model["id"] for model in found["models"]}
    assert {"name": "custom_models", "state": "READY"} in found["integrations"]
    asked = (
        'mutation { generateText(model: "demo", prompt: "What is a pod?", options: {temperature: 0}) { text } }'
    )
    said = await session.execute(gql(asked))
    assert said == {"generateText": {"text": ANSWER}}


async def test_who_stops_an_answer_may_ask_again(session: AsyncClientSession) -> None:
    asked = gql(GENERATE)
    asked.variable_values = {"model": "demo"}
    for _ in range(12):
        answer = session.subscribe(asked)
        assert (await anext(answer))["generate"]
        await answer.aclose()
    assert (await session.execute(gql('{ model(id: "demo") { id } }'))) == {"model": {"id": "demo"}}


async def test_an_error_has_its_code(session: AsyncClientSession) -> None:
    asked = gql(GENERATE)
    asked.variable_values = {"model": "nobody"}
    with pytest.raises(TransportQueryError) as caught:
        _ = [each async for each in session.subscribe(asked)]
    assert caught.value.errors
    assert caught.value.errors[0]["extensions"]["code"] == "NOT_FOUND"
