"""Two tenants, and every route by which one could come upon what is the other's: nothing of it is ever told.

A new route must be put either among those that hold objects of a tenant, with how it is asked for a foreign one,
or among those that hold none.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from app.api.access import ROUTES
from app.domain.roles import Right
from tests.servers.raw_client import ask, get, post, request_bytes
from tests.servers.whole_platform import Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "the-colour-of-anns-door"


class Tenants(msgspec.Struct):
    """Ann has these; bob asks for them. `call` is the id of a request of hers, `key` of one below her own."""

    whole: Whole
    response: str
    call: str
    key: str

    @property
    def bob(self) -> dict[str, str]:
        return self.whole.header("bob")

    async def get(self, path: str, method: str = "GET") -> str:
        reply = await get(self.whole.port, path, self.bob, method=method)
        assert reply.status in {200, 404}, reply
        return reply.body.decode()

    async def send(self, method: str, path: str, body: object) -> str:
        raw = request_bytes(path, json.dumps(body).encode(), method=method, headers=self.bob)
        reply = await ask(self.whole.port, raw)
        assert reply.status in {400, 404}, reply
        return reply.body.decode()

    async def post(self, path: str, **body: object) -> str:
        reply = await post(self.whole.port, path, body, self.bob)
        assert reply.status in {200, 400, 404}, reply
        return reply.body.decode()

    async def graphql(self, query: str) -> str:
        return await self.post("/graphql", query=query)


Told = Callable[[Tenants], Awaitable[str]]

WITH_OBJECTS: Mapping[str, Told] = {
    "GET /v1/responses/{id}": lambda each: each.get(f"/v1/responses/{each.response}"),
    "DELETE /v1/responses/{id}": lambda each: each.get(f"/v1/responses/{each.response}", "DELETE"),
    "GET /v1/responses/{id}/input_items": lambda each: each.get(f"/v1/responses/{each.response}/input_items"),
    "POST /v1/responses": lambda each: each.post(
        "/v1/responses", model="echo", input="go on", previous_response_id=each.response
    ),
    "POST /v1/responses/input_tokens": lambda each: each.post(
        "/v1/responses/input_tokens", input="go on", previous_response_id=each.response
    ),
    "GET /v1/requests/{id}/explain": lambda each: each.get(f"/v1/requests/{each.call}/explain"),
    "GraphQL Query.explain": lambda each: each.graphql(f'{{ explain(id: "{each.call}") {{ id model }} }}'),
    "GET /v1/keys": lambda each: each.get("/v1/keys"),
    "GET /v1/keys/{id}": lambda each: each.get(f"/v1/keys/{each.key}"),
    "PATCH /v1/keys/{id}": lambda each: each.send("PATCH", f"/v1/keys/{each.key}", {"team": "mine"}),
    "POST /v1/keys/{id}/rotate": lambda each: each.post(f"/v1/keys/{each.key}/rotate"),
    "POST /v1/keys/{id}/revoke": lambda each: each.post(f"/v1/keys/{each.key}/revoke"),
    "DELETE /v1/keys/{id}": lambda each: each.get(f"/v1/keys/{each.key}", "DELETE"),
    "POST /v1/keys": lambda each: each.post("/v1/keys", parent=each.key),
    "GraphQL Query.keys": lambda each: each.graphql("{ keys { id name owner } }"),
    "GraphQL Query.key": lambda each: each.graphql(f'{{ key(id: "{each.key}") {{ id name }} }}'),
    "GraphQL Mutation.createKey": lambda each: each.graphql(
        f'mutation {{ createKey(input: {{parent: "{each.key}"}}) {{ text key {{ name }} }} }}'
    ),
    "GraphQL Mutation.updateKey": lambda each: each.graphql(
        f'mutation {{ updateKey(id: "{each.key}", input: {{team: "mine"}}) {{ name }} }}'
    ),
    "GraphQL Mutation.rotateKey": lambda each: each.graphql(
        f'mutation {{ rotateKey(id: "{each.key}") {{ text key {{ name }} }} }}'
    ),
    "GraphQL Mutation.revokeKey": lambda each: each.graphql(
        f'mutation {{ revokeKey(id: "{each.key}") {{ name }} }}'
    ),
    "GraphQL Mutation.deleteKey": lambda each: each.graphql(f'mutation {{ deleteKey(id: "{each.key}") }}'),
    "GET /v1/usage": lambda each: each.get(f"/v1/usage?group_by=team,model&team={SECRET}"),
    "GraphQL Query.usage": lambda each: each.graphql(
        "{ usage(groupBy: [PRINCIPAL, TEAM, KEY, MODEL]) { rows { group { value } requests cost } } }"
    ),
    "GET /v1/tiers": lambda each: each.get("/v1/tiers"),
    "GET /v1/tiers/{name}": lambda each: each.get("/v1/tiers/anns"),
    "GET /v1/budgets": lambda each: each.get("/v1/budgets"),
    "GET /v1/budgets/{name}": lambda each: each.get("/v1/budgets/anns"),
    "GraphQL Query.tiers": lambda each: each.graphql("{ tiers { name groups description } }"),
    "GraphQL Query.budgets": lambda each: each.graphql("{ budgets { name team holders { id spent } } }"),
    "GraphQL Query.requests": lambda each: each.graphql("{ requests(last: 100) { id model } }"),
}

_OF_THE_PLATFORM = {
    *(None, Right.SEE_MODELS, Right.SEE_PLATFORM, Right.SEE_METRICS),
    *(Right.RUN_PLATFORM, Right.SET_LIMITS, Right.AUDIT),
}
"""What needs one of these shows, or moves, what belongs to no tenant, or is for those who may see all."""

WITHOUT_OBJECTS = {
    # Answers are made for whoever asks, and given to nobody else.
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "POST /v1/rerank",
    "POST /v2/rerank",
    "POST /chat/completions",
    "POST /completions",
    "POST /embeddings",
    "POST /rerank",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /tokenize",
    "POST /detokenize",
    "GraphQL Mutation.generateText",
    "GraphQL Subscription.generate",
    "gRPC llm_platform.v1.Inference/Chat",
    "gRPC llm_platform.v1.Inference/ChatUnary",
    "gRPC llm_platform.v1.Inference/Embed",
    "WebSocket /ws/chat",
    *(route for route, right in ROUTES.items() if right in _OF_THE_PLATFORM),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenants(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenants]:
    limits: dict[str, Any] = {
        "tiers": {"anns": {"groups": [SECRET], "description": SECRET}},
        "budgets": {"anns": {"usd": 1, "team": SECRET}, "everybodys": {"usd": 1, "each": "team"}},
    }
    async with whole_platform(tmp_path_factory.mktemp("tenants"), **limits) as whole:
        await whole.issue("ann", team=SECRET, groups=(SECRET,))
        await whole.issue("bob")
        body = {"model": "echo", "input": SECRET}
        reply = await post(whole.port, "/v1/responses", body, {**whole.header("ann"), "x-request-id": SECRET})
        assert reply.status == 200, reply
        made = await post(whole.port, "/v1/keys", {"name": SECRET}, whole.header("ann"))
        assert made.status == 200, made
        yield Tenants(whole, reply.json()["id"], SECRET, made.json()["id"])


async def test_every_route_is_among_those_with_objects_or_among_those_without(tenants: Tenants) -> None:
    assert not WITH_OBJECTS.keys() & WITHOUT_OBJECTS
    assert WITH_OBJECTS.keys() | WITHOUT_OBJECTS == ROUTES.keys()


@pytest.mark.parametrize("route", WITH_OBJECTS)
async def test_nothing_of_anothers_is_told(tenants: Tenants, route: str) -> None:
    told = await WITH_OBJECTS[route](tenants)
    # What bob said himself may come back to him.
    assert SECRET not in told.replace(json.dumps(tenants.call), "").replace(f"'{tenants.call}'", "")


async def test_what_is_ones_own_is_told(tenants: Tenants) -> None:
    """Else the test above would find nothing to find."""
    ann, port = tenants.whole.header("ann"), tenants.whole.port
    for path in (f"/v1/responses/{tenants.response}", f"/v1/responses/{tenants.response}/input_items"):
        assert SECRET in (await get(port, path, ann)).body.decode()
    assert (await get(port, f"/v1/requests/{tenants.call}/explain", ann)).status == 200
    key = (await get(port, f"/v1/keys/{tenants.key}", ann)).json()
    assert (key["name"], key["status"], key["team"]) == (SECRET, "active", SECRET)
    assert len((await get(port, "/v1/keys", ann)).json()["data"]) == 1
    assert SECRET in (await get(port, "/v1/usage?group_by=team", ann)).body.decode()
    [tier] = (await get(port, "/v1/tiers", ann)).json()["data"]
    assert (tier["name"], tier["groups"], tier["description"]) == ("anns", [SECRET], SECRET)
    held = {each["name"]: each["holders"] for each in (await get(port, "/v1/budgets", ann)).json()["data"]}
    assert {name: [each["id"] for each in holders] for name, holders in held.items()} == {
        "anns": [SECRET],
        "everybodys": [SECRET],
    }
    told = (await post(port, "/graphql", {"query": "{ requests { id } }"}, ann)).json()
    assert [each["id"] for each in told["data"]["requests"]] == [SECRET]
