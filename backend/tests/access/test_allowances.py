"""Tiers and budgets as a platform team manages them while it runs, and what callers see of their own."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.graphql.client import connected
from tests.servers.raw_client import Reply, ask, get, post, request_bytes
from tests.servers.whole_platform import MASTER, Whole, whole_platform
from tests.websocket.gateway import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

MASTER_KEY = {"Authorization": f"Bearer {MASTER}"}
CONFIGURED: dict[str, Any] = {
    "prices": {"*": {"input": 100_000, "output": 100_000}},
    "tiers": {"basic": {"level": 1}},
    "default_tier": "basic",
    "budgets": {"everything": {"usd": 1e6}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("allowances"), **CONFIGURED) as platform:
        yield platform


async def send(whole: Whole, method: str, path: str, body: object = None, holder: str | None = None) -> Reply:
    headers = whole.header(holder) if holder else MASTER_KEY
    raw = b"" if body is None else json.dumps(body).encode()
    return await ask(whole.port, request_bytes(path, raw, method=method, headers=headers))


async def graphql(whole: Whole, query: str, **variables: object) -> Any:
    reply = await post(whole.port, "/graphql", {"query": query, "variables": variables}, MASTER_KEY)
    return reply.json()


async def chat(whole: Whole, holder: str, model: str = "echo") -> Reply:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    return await post(whole.port, "/v1/chat/completions", body, whole.header(holder))


async def test_a_tier_from_its_first_setting_to_its_end(whole: Whole) -> None:
    wanted = {
        **{"level": 5, "groups": ["g"], "models": ["echo"], "priority": 2, "description": "of some"},
        "rates": [{"unit": "requests", "limit": 1, "window": 3600.0}],
    }
    made = (await send(whole, "PUT", "/v1/tiers/some", wanted)).json()
    assert {name: made[name] for name in wanted} == wanted
    assert (made["defined_in"], made["updated_by"], made["default"]) == ("database", "operator", False)
    assert (await send(whole, "GET", "/v1/tiers/some")).json() == made
    await whole.issue("member", groups=("g", "other"))
    told = [await chat(whole, "member") for _ in range(2)]
    assert [(each.status, each.headers["x-ratelimit-limit-requests"]) for each in told] == [(200, "1"), (429, "1")]
    await send(whole, "PUT", "/v1/tiers/some", {**wanted, "rates": []})
    assert (await chat(whole, "member")).status == 200
    assert (await send(whole, "DELETE", "/v1/tiers/some")).json() == {
        **{"name": "some", "object": "tier"},
        "deleted": True,
    }
    assert (await send(whole, "GET", "/v1/tiers/some")).json()["error"]["code"] == "tier_not_found"


async def test_what_a_limit_refused_is_known_by_its_model(whole: Whole) -> None:
    await send(whole, "PUT", "/v1/tiers/narrow", {"rates": [{"unit": "requests", "limit": 1, "window": 3600.0}]})
    await whole.issue("eager", tier="narrow")
    told = [await chat(whole, "eager", model) for model in ("echo", "echo", "made-up-by-the-caller")]
    assert [each.status for each in told] == [200, 429, 429]
    path = f"/v1/requests/{told[1].headers['x-request-id']}/explain"
    explained = (await get(whole.port, path, whole.header("eager"))).json()
    assert (explained["model"], explained["meant"]) == ("echo", "a model by its own name")
    assert explained["policy"]["retries"] == 2
    usage = await get(whole.port, "/v1/usage?group_by=model", whole.header("eager"))
    rows = {row["model"]: (row["requests"], row["errors"]) for row in usage.json()["data"]}
    assert rows == {"echo": (2, 1), "": (1, 1)}


async def test_the_configurations_are_shown_with_their_place_and_not_changed(whole: Whole) -> None:
    basic, *_ = (await send(whole, "GET", "/v1/tiers")).json()["data"]
    assert (basic["name"], basic["default"], basic["defined_in"]) == ("basic", True, "configuration")
    assert "whole.yaml:" in basic["defined_at"]
    for method, path, body in (
        ("PUT", "/v1/tiers/basic", {}),
        ("DELETE", "/v1/tiers/basic", None),
        ("PUT", "/v1/budgets/everything", {"usd": 1}),
    ):
        refused = await send(whole, method, path, body)
        assert (refused.status, refused.json()["error"]["code"]) == (409, "configured")
        assert "whole.yaml:" in refused.json()["error"]["message"]


async def test_what_is_wrong_in_a_body_is_said(whole: Whole) -> None:
    for path, body, param in (
        ("/v1/tiers/x", {"rates": [{"unit": "requests"}]}, "rates[0].limit"),
        ("/v1/tiers/x", {"rates": [{"unit": "calls", "limit": 1}]}, "rates[0].unit"),
        ("/v1/tiers/-x", {}, "name"),
        ("/v1/budgets/x", {"usd": 0}, "usd"),
        ("/v1/budgets/x", {}, "usd"),
    ):
        refused = await send(whole, "PUT", path, body)
        assert (refused.status, refused.json()["error"]["param"]) == (400, param), refused


async def test_a_budget_is_held_against_what_was_spent_and_tells_what_is_left(whole: Whole) -> None:
    id = await whole.issue("spender", team="red")
    await whole.issue("other", team="blue")
    assert [(await chat(whole, each)).status for each in ("spender", "other")] == [200, 200]
    made = (await send(whole, "PUT", "/v1/budgets/reds", {"usd": 100, "per": "day", "team": "red"})).json()
    [holder] = made["holders"]
    assert holder["id"] == "red"
    assert 0 < holder["spent"] < 100
    assert holder["spent"] + holder["remaining"] == pytest.approx(100)
    assert made["resets_at"] % 86_400 == 0
    assert (await chat(whole, "spender")).status == 200
    small = (await send(whole, "PUT", "/v1/budgets/reds", {"usd": 0.001, "per": "day", "team": "red"})).json()
    assert small["holders"][0]["spent"] > holder["spent"]
    assert small["holders"][0]["remaining"] == 0
    assert [(await chat(whole, each)).status for each in ("spender", "other")] == [429, 200]
    await send(whole, "PUT", "/v1/budgets/each", {"usd": 50, "each": "key", "per": "total"})
    each = (await send(whole, "GET", "/v1/budgets/each")).json()
    spent = [holder["spent"] for holder in each["holders"]]
    assert (spent, each["resets_at"]) == (sorted(spent, reverse=True), None)
    assert id in {holder["id"] for holder in each["holders"]}
    own = {
        shown["name"]: shown
        for shown in (await get(whole.port, "/v1/budgets", whole.header("spender"))).json()["data"]
    }
    assert {name: [holder["id"] for holder in shown["holders"]] for name, shown in own.items()} == {
        "each": [id],
        "reds": ["red"],
    }
    assert {shown["updated_by"] for shown in own.values()} == {None}
    for name in ("reds", "each"):
        assert (await send(whole, "DELETE", f"/v1/budgets/{name}")).status == 200
    assert (await chat(whole, "spender")).status == 200


async def test_what_is_left_is_told_where_answers_have_no_headers(whole: Whole) -> None:
    rates = [{"unit": "requests", "limit": 3}, {"unit": "concurrent", "limit": 2}]
    await send(whole, "PUT", "/v1/tiers/told", {"rates": rates})
    await whole.issue("listener", tier="told")
    await whole.issue("nobody's member")
    headers = whole.header("listener")
    fields = "limits { unit limit window remaining reset }"
    query = f'mutation {{ generateText(model: "echo", prompt: "hi") {{ {fields} }} }}'
    told = (await post(whole.port, "/graphql", {"query": query}, headers)).json()["data"]["generateText"]
    assert [(each["unit"], each["remaining"]) for each in told["limits"]] == [("REQUESTS", 2), ("CONCURRENT", 1)]
    assert 0 < told["limits"][0]["reset"] <= 61
    url = f"ws://127.0.0.1:{whole.port}"
    async with connected(f"{url}/graphql", headers=headers) as socket:
        await socket.subscribe(
            f'subscription {{ generate(model: "echo", prompt: "hi") {{ ... on Done {{ {fields} }} }} }}'
        )
        *_, done, _ = await socket.until_end()
        left = done["payload"]["data"]["generate"]["limits"]
        assert (left[0]["limit"], left[0]["remaining"]) == (3, 1)
    async with connect(f"{url}/ws/chat", additional_headers=headers, proxy=None) as connection:
        frames = [(await Client(connection).ask(model="echo"))[-1] for _ in range(2)]
    assert [(each["type"], each["limits"][0]["remaining"]) for each in frames] == [("done", 0), ("error", 0)]
    refused = (await post(whole.port, "/graphql", {"query": query}, headers)).json()["errors"][0]["extensions"]
    assert [(each["unit"], each["remaining"]) for each in refused["limits"]] == [
        ("requests", 0),
        ("concurrent", 2),
    ]
    free = (await post(whole.port, "/graphql", {"query": query}, whole.header("nobody's member"))).json()
    assert free["data"]["generateText"]["limits"] == []


async def test_by_graphql(whole: Whole) -> None:
    tier = "name level rates { unit limit window } definedIn definedAt updatedBy default"
    budget = "name usd per team each holders { id spent remaining } resetsAt definedIn complete"
    made = await graphql(
        whole,
        f'mutation M($t: TierInput!, $b: BudgetInput!) {{ setTier(name: "t", input: $t) {{ {tier} }} '
        f'setBudget(name: "b", input: $b) {{ {budget} }} }}',
        t={"level": 3, "rates": [{"unit": "INPUT_TOKENS", "limit": 5_000_000_000}]},
        b={"usd": 2.5, "per": "TOTAL", "each": "TEAM"},
    )
    shown = made["data"]["setTier"]
    assert shown["rates"] == [{"unit": "INPUT_TOKENS", "limit": 5_000_000_000, "window": 60.0}]
    assert (shown["definedIn"], shown["updatedBy"], made["data"]["setBudget"]["usd"]) == (
        "DATABASE",
        "operator",
        2.5,
    )
    listed = (await graphql(whole, f"{{ tiers {{ {tier} }} budgets {{ {budget} }} }}"))["data"]
    assert shown in listed["tiers"]
    assert {each["name"]: each["definedIn"] for each in listed["budgets"]} == {
        "b": "DATABASE",
        "everything": "CONFIGURATION",
    }
    gone = await graphql(whole, 'mutation { deleteTier(name: "t") deleteBudget(name: "b") }')
    assert gone["data"] == {"deleteTier": "t", "deleteBudget": "b"}
    refused = await graphql(whole, 'mutation { deleteTier(name: "basic") }')
    assert "whole.yaml" in refused["errors"][0]["message"]


async def test_an_operator_sees_all_and_raises_nobody_himself_least(whole: Whole) -> None:
    await send(whole, "PUT", "/v1/tiers/low", {"level": 2, "rates": [{"unit": "requests", "limit": 9}]})
    await whole.issue("operator", roles=("operator",), tier="low")
    listed = (await send(whole, "GET", "/v1/tiers", holder="operator")).json()["data"]
    assert {each["name"] for each in listed} == {"basic", "low", "narrow", "told"}
    for method, path, body, code in (
        ("PUT", "/v1/tiers/low", {}, "role_missing"),
        ("DELETE", "/v1/tiers/low", None, "role_missing"),
        ("PUT", "/v1/budgets/mine", {"usd": 9}, "role_missing"),
        ("POST", "/v1/keys", {"tier": "basic"}, "scope_exceeded"),
    ):
        refused = await send(whole, method, path, body, holder="operator")
        assert (refused.status, refused.json()["error"]["code"]) == (403, code)
    unknown = (await send(whole, "POST", "/v1/keys", {"tier": "nosuch"})).json()["error"]
    assert (unknown["param"], "there are: basic, low, narrow, told" in unknown["message"]) == ("tier", True)
