"""Keys by REST and by GraphQL: the same things done, and told, by either."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.accounts.keys.text import is_key
from tests.servers.raw_client import Reply, ask, get, post, request_bytes
from tests.servers.whole_platform import MASTER, Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

MASTER_KEY = {"Authorization": f"Bearer {MASTER}"}
WHOLE = {
    "name": "notebook",
    "owner": "ann",
    "team": "red",
    "groups": ["research"],
    "models": ["gpt-*"],
    "roles": ["user", "viewer"],
    "tier": "gold",
    "metadata": {"cost-center": "7"},
}
SHOWN = (
    "id name owner team groups models roles tier parent metadata hint status "
    "createdAt createdBy expiresAt revokedAt lastUsedAt"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("keys"), tiers={"gold": {}}) as platform:
        yield platform


async def send(whole: Whole, method: str, path: str, body: object = None, headers: Any = None) -> Reply:
    raw = b"" if body is None else json.dumps(body).encode()
    return await ask(whole.port, request_bytes(path, raw, method=method, headers=headers or MASTER_KEY))


async def graphql(whole: Whole, query: str, headers: Any = None, **variables: object) -> Any:
    body = {"query": query, "variables": variables}
    return (await post(whole.port, "/graphql", body, headers or MASTER_KEY)).json()


async def works(whole: Whole, text: str) -> bool:
    return (await get(whole.port, "/v1/models", {"x-api-key": text})).status == 200


async def test_the_life_of_a_key_by_rest(whole: Whole) -> None:
    made = (await send(whole, "POST", "/v1/keys", {**WHOLE, "expires_in": 3600})).json()
    assert {name: made[name] for name in WHOLE} == WHOLE
    assert (made["object"], made["status"], is_key(made["key"])) == ("key", "active", True)
    assert made["expires_at"] == pytest.approx(made["created_at"] + 3600)
    assert made["hint"].endswith(made["key"][-4:])
    path = f"/v1/keys/{made['id']}"
    found = (await send(whole, "GET", path)).json()
    assert found == {name: value for name, value in made.items() if name != "key"}
    changed = (await send(whole, "PATCH", path, {"name": "laptop", "expires_at": None})).json()
    assert (changed["name"], changed["expires_at"], changed["team"]) == ("laptop", None, "red")
    rotated = (await send(whole, "POST", f"{path}/rotate")).json()
    assert (rotated["id"], is_key(rotated["key"])) == (made["id"], True)
    assert await works(whole, made["key"])
    assert await works(whole, rotated["key"])
    ended = (await send(whole, "POST", f"{path}/rotate", {"overlap": 0})).json()
    assert [await works(whole, text) for text in (made["key"], rotated["key"], ended["key"])] == [
        False,
        False,
        True,
    ]
    assert (await send(whole, "POST", f"{path}/revoke")).json()["status"] == "revoked"
    assert not await works(whole, ended["key"])
    assert (await send(whole, "DELETE", path)).json() == {"id": made["id"], "object": "key", "deleted": True}
    gone = await send(whole, "GET", path)
    assert (gone.status, gone.json()["error"]["code"]) == (404, "key_not_found")


async def test_the_life_of_a_key_by_graphql(whole: Whole) -> None:
    create = f"mutation M($input: NewKeyInput!) {{ createKey(input: $input) {{ text key {{ {SHOWN} }} }} }}"
    wanted = {**WHOLE, "roles": ["USER", "VIEWER"], "expiresAt": "2100-01-01T00:00:00Z"}
    made = (await graphql(whole, create, input=wanted))["data"]["createKey"]
    key, id = made["key"], made["key"]["id"]
    assert {name: key[name] for name in WHOLE} == {**WHOLE, "roles": ["USER", "VIEWER"]}
    assert (key["status"], key["expiresAt"][:10], is_key(made["text"])) == ("ACTIVE", "2100-01-01", True)
    assert await works(whole, made["text"])
    one = (await graphql(whole, f"query Q($id: ID!) {{ key(id: $id) {{ {SHOWN} }} }}", id=id))["data"]["key"]
    assert {**one, "lastUsedAt": None} == key
    update = (
        "mutation M($id: ID!, $to: KeyChangeInput!) { updateKey(id: $id, input: $to) { name expiresAt team } }"
    )
    changed = (await graphql(whole, update, id=id, to={"name": "laptop", "expiresAt": None}))["data"]["updateKey"]
    assert changed == {"name": "laptop", "expiresAt": None, "team": "red"}
    rotate = "mutation M($id: ID!) { rotateKey(id: $id, overlapSeconds: 0) { text } }"
    new = (await graphql(whole, rotate, id=id))["data"]["rotateKey"]["text"]
    assert [await works(whole, text) for text in (made["text"], new)] == [False, True]
    revoke = "mutation M($id: ID!) { revokeKey(id: $id) { status } }"
    assert (await graphql(whole, revoke, id=id))["data"] == {"revokeKey": {"status": "REVOKED"}}
    assert not await works(whole, new)
    assert (await graphql(whole, "mutation M($id: ID!) { deleteKey(id: $id) }", id=id))["data"] == {
        "deleteKey": id
    }
    assert (await graphql(whole, "query Q($id: ID!) { key(id: $id) { id } }", id=id))["data"] == {"key": None}


async def test_lists(whole: Whole) -> None:
    ids = [(await send(whole, "POST", "/v1/keys", {"team": "lists"})).json()["id"] for _ in range(3)][::-1]
    first = (await send(whole, "GET", "/v1/keys?team=lists&limit=2")).json()
    assert (first["object"], [key["id"] for key in first["data"]], first["has_more"]) == ("list", ids[:2], True)
    rest = (await send(whole, "GET", f"/v1/keys?team=lists&limit=2&after={first['last_id']}")).json()
    assert ([key["id"] for key in rest["data"]], rest["has_more"]) == (ids[2:], False)
    assert all("key" not in key for key in first["data"])
    told = await graphql(whole, '{ keys(team: "lists", first: 2) { id } }')
    assert [key["id"] for key in told["data"]["keys"]] == ids[:2]
    told = await graphql(whole, f'{{ keys(team: "lists", first: 2, after: "{ids[1]}", status: ACTIVE) {{ id }} }}')
    assert [key["id"] for key in told["data"]["keys"]] == ids[2:]
    for path in ("/v1/keys?limit=0", "/v1/keys?limit=1001", "/v1/keys?status=lost"):
        assert (await send(whole, "GET", path)).status == 400
    for query in ("{ keys(first: 0) { id } }", "{ keys(first: 101) { id } }"):
        assert (await graphql(whole, query))["errors"][0]["extensions"]["code"] == "INVALID_ARGUMENT"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"nmae": "x"}, "nmae"),
    ({"roles": ["root"]}, "roles[0]"),
    ({"roles": []}, "roles"),
    ({"name": "x" * 201}, "name"),
    ({"owner": ""}, "owner"),
    ({"owner": "a\nb"}, "owner"),
    ({"owner": "ann\n"}, "owner"),
    ({"tier": "a/b"}, "tier"),
    ({"expires_at": 1}, "expires_at"),
    ({"expires_at": 1e300}, "expires_at"),
    ({"expires_in": -1}, "expires_in"),
    ({"expires_in": 60, "expires_at": 9e9}, "expires_in"),
    ({"models": "gpt-*"}, "models"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
]


@pytest.mark.parametrize(("body", "param"), BAD)
async def test_what_makes_no_key(whole: Whole, body: dict[str, Any], param: str) -> None:
    refused = await send(whole, "POST", "/v1/keys", body)
    assert (refused.status, refused.json()["error"]["param"] or "") == (400, param)


async def test_what_is_no_body(whole: Whole) -> None:
    assert (await send(whole, "POST", "/v1/keys")).status == 400
    assert (await send(whole, "POST", "/v1/keys", [])).status == 400
    bad = await graphql(whole, 'mutation { createKey(input: {tier: "a/b"}) { text } }')
    assert (bad["errors"][0]["extensions"]["code"], bad["errors"][0]["extensions"]["param"]) == (
        "INVALID_ARGUMENT",
        "tier",
    )


async def test_users_issue_keys_below_their_own_and_see_no_other(whole: Whole) -> None:
    await whole.issue("ann", models=("gpt-*",))
    await whole.issue("bob")
    own = (await send(whole, "POST", "/v1/keys", {"name": "child"}, whole.header("ann"))).json()
    assert (own["models"], own["owner"]) == (["gpt-*"], "ann")
    more = await send(whole, "POST", "/v1/keys", {"models": []}, whole.header("ann"))
    assert (more.status, more.json()["error"]["code"]) == (403, "scope_exceeded")
    for holder, seen in (("ann", [own["id"]]), ("bob", [])):
        listed = (await send(whole, "GET", "/v1/keys", headers=whole.header(holder))).json()
        assert [key["id"] for key in listed["data"]] == seen
    assert (await send(whole, "GET", f"/v1/keys/{own['id']}", headers=whole.header("bob"))).status == 404
    told = await graphql(whole, f'mutation {{ revokeKey(id: "{own["id"]}") {{ id }} }}', whole.header("bob"))
    assert told["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert (await send(whole, "DELETE", f"/v1/keys/{own['id']}", headers=whole.header("ann"))).status == 200


async def test_the_reference_describes_bodies_and_answers(whole: Whole) -> None:
    document = (await get(whole.port, "/openapi.json")).json()
    create = document["paths"]["/v1/keys"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/NewKey")
    assert create["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Key")
    for name in ("Key", "NewKey", "KeyChange", "Rotation", "Record"):
        assert name in document["components"]["schemas"]
