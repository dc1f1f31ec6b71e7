"""GET /v1/usage and GraphQL's usage: who is told what, how it is grouped, paged and written."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from tests.servers.raw_client import Reply, get, post
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
PRICES = {"echo": {"input": 1.5, "output": 2}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """Ann has asked twice, bob once by another front-end, and for something that nobody has."""
    models = {"=cmd()": {"target": "peer/echo"}}
    async with whole_platform(tmp_path_factory.mktemp("usage"), prices=PRICES, models=models) as whole:
        await whole.issue("ann", team="red")
        await whole.issue("bob", team="blue")
        await whole.issue("olga", roles=("operator",))
        for model in ("echo", "=cmd()"):
            reply = await post(whole.port, CHAT, {**_chat(model), "stream": True}, whole.header("ann"))
            assert reply.status == 200, reply
        await post(whole.port, "/v1/messages", {**_chat("echo"), "max_tokens": 9}, whole.header("bob"))
        assert (await post(whole.port, CHAT, _chat("nobody-has-this"), whole.header("bob"))).status == 404
        yield whole


def _chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "one two three"}]}


async def ask(whole: Whole, holder: str, accept: str = "application/json", **query: object) -> Reply:
    header = {"Authorization": f"Bearer {MASTER}"} if holder == "master" else whole.header(holder)
    return await get(whole.port, f"/v1/usage?{urlencode(query)}", {**header, "accept": accept})


async def told(whole: Whole, holder: str, **query: object) -> list[dict[str, Any]]:
    reply = await ask(whole, holder, **query)
    assert reply.status == 200, reply
    found = reply.json()
    assert found["complete"] is True
    rows: list[dict[str, Any]] = found["data"]
    return rows


@pytest.mark.parametrize(
    ("holder", "requests"), [("ann", {"red": 2}), ("bob", {"blue": 2}), ("olga", {"red": 2, "blue": 2})]
)
async def test_users_are_told_their_own_and_operators_all(
    asked: Whole, holder: str, requests: dict[str, int]
) -> None:
    rows = await told(asked, holder, group_by="team")
    assert {row["team"]: row["requests"] for row in rows} == requests


async def test_asking_for_anothers_gives_nothing(asked: Whole) -> None:
    (everything,) = await told(asked, "olga", group_by="principal", team="red")
    assert await told(asked, "bob", group_by="principal", principal=everything["principal"]) == []
    assert await told(asked, "bob", group_by="team", team="red") == []
    (sums,) = await told(asked, "bob", principal=everything["principal"])
    assert sums["requests"] == 0


async def test_figures_and_filters(asked: Whole) -> None:
    (row,) = await told(asked, "ann", group_by="model", model="echo")
    assert (row["requests"], row["errors"], row["attempts"]) == (1, 0, 1)
    assert row["output_tokens"] > 0
    assert row["estimated"] == 1  # the peer tells no figures
    cost = (row["input_tokens"] * 1.5 + row["output_tokens"] * 2) / 1e6
    assert row["cost"] == pytest.approx(cost, abs=1e-12)
    assert {row["front_end"] for row in await told(asked, "bob", group_by="front_end,model")} == {
        "anthropic_api",
        "openai_api",
    }
    failed = [row for row in await told(asked, "bob", group_by="model,integration") if row["errors"]]
    assert [(row["model"], row["integration"], row["requests"]) for row in failed] == [("", "", 1)]
    days = await told(asked, "olga", group_by="day,hour")
    assert all(row["hour"].startswith(row["day"]) for row in days)
    assert await told(asked, "olga", group_by="day", to="2020-01-01") == []


async def test_operators_are_told_what_waits(asked: Whole) -> None:
    assert (await ask(asked, "olga")).json()["waiting"] == {"bytes": 0, "failing": False, "lost": 0}
    assert "waiting" not in (await ask(asked, "ann")).json()


async def test_pages_hold_each_row_once(asked: Whole) -> None:
    whole = await told(asked, "olga", group_by="day,team,model")
    found: list[dict[str, Any]] = []
    query: dict[str, object] = {"group_by": "day,team,model", "limit": 1}
    while True:
        page = (await ask(asked, "olga", **query)).json()
        found += page["data"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == whole
    assert len(found) == 4


async def test_csv_is_for_spreadsheets_and_runs_no_formula(asked: Whole) -> None:
    for reply in (
        await ask(asked, "ann", "text/csv", group_by="model", limit=1),
        await ask(asked, "ann", group_by="model", limit=1, format="csv"),
    ):
        assert reply.headers["content-type"].startswith("text/csv")
        assert reply.headers["x-next"]
        (row,) = csv.DictReader(io.StringIO(reply.body.decode()))
        assert row["model"] == "'=cmd()"
        assert row["requests"] == "1"
        assert "e" not in row["cost"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"group_by": "day,day"}, "group_by"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ({"limit": 0}, "limit"),
        ({"group_by": "team", "after": "nonsense"}, "after"),
        ({"group_by": "team", "after": "WzFd"}, "after"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_asked_wrongly_is_told_by_its_name(
    asked: Whole, query: dict[str, object], param: str
) -> None:
    reply = await ask(asked, "master", **query)
    assert reply.status == 400, reply
    assert param in reply.json()["error"]["param"]


async def test_what_may_be_asked_is_told(asked: Whole) -> None:
    message = (await ask(asked, "ann", colour="red")).json()["error"]["message"]
    assert message.startswith("'colour' is no parameter here; there are from, to, group_by, principal, key, ")


async def test_graphql_tells_the_same(asked: Whole) -> None:
    query = """query($first: Int!, $after: String) {
      usage(groupBy: [TEAM, MODEL], where: {frontEnd: "openai_api"}, first: $first, after: $after) {
        rows { group { dimension value } requests inputTokens cost } next complete } }"""
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        body = {"query": query, "variables": {"first": 1, "after": after}}
        reply = await post(asked.port, "/graphql", body, asked.header("olga"))
        page = reply.json()["data"]["usage"]
        rows += page["rows"]
        after = page["next"]
        if after is None:
            break
    same = await told(asked, "olga", group_by="team,model", front_end="openai_api")
    assert [[each["value"] for each in row["group"]] for row in rows] == [[r["team"], r["model"]] for r in same]
    assert [(row["requests"], row["inputTokens"], row["cost"]) for row in rows] == [
        (r["requests"], r["input_tokens"], r["cost"]) for r in same
    ]


async def test_where_no_usage_is_kept_that_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("off")
    async with whole_platform(folder, usage={"enabled": False}) as whole:
        reply = await ask(whole, "master")
        assert reply.status == 404
        assert "usage.enabled" in reply.json()["error"]["message"]
        assert not (folder / "usage").exists()
