"""Every route of every front-end against the table of access, by everybody, with every header."""

import json

import pytest
from websockets.asyncio.client import connect

from app.api.access import ROUTES, check_access
from app.domain.errors import PermissionDenied
from app.domain.principal import Principal
from app.domain.roles import RIGHTS, ROLES
from tests.access.routes import DENIED, IN, STRANGER, ask, ask_rest, found
from tests.servers.whole_platform import MASTER, Whole

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADERS = {"Authorization": "Bearer {}", "x-api-key": "{}"}
ODD_HOSTS = ["evil.example", "127.0.0.1/v1/health", "a b", "x" * 300, "", "localhost:80/readyz"]


async def test_the_table_holds_every_route_that_there_is_and_no_other(whole: Whole) -> None:
    assert await found(whole.platform) == set(ROUTES)


async def test_what_is_not_in_the_table_is_nobody_s() -> None:
    everything = Principal(id="all", roles=frozenset(ROLES))
    for route in ("GET /new", "GraphQL Query.new", "gRPC new/New", "WebSocket /new", "", "GET /v1/models/"):
        with pytest.raises(PermissionDenied):
            check_access(everything, route)


@pytest.mark.parametrize("route", ROUTES)
async def test_each_route_by_each_role_and_header(whole: Whole, route: str) -> None:
    right = ROUTES[route]
    for header, form in HEADERS.items():
        for role in ROLES:
            expected = IN if right is None or right in RIGHTS[role] else DENIED
            assert await ask(whole, route, {header: form.format(whole.keys[role])}) == expected, (role, header)
        assert await ask(whole, route, {header: form.format(MASTER)}) == IN
        for wrong in ("wrong", f"{MASTER}x", whole.keys["admin"][:-1], whole.keys["admin"] + "x"):
            assert await ask(whole, route, {header: form.format(wrong)}) == (IN if right is None else STRANGER)
    assert await ask(whole, route, {}) == (IN if right is None else STRANGER)


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_no_host_opens_a_route(whole: Whole, host: str) -> None:
    """CVE-2026-48710: who takes the path from a URL that is made of the Host can be talked into another one."""
    for route, right in ROUTES.items():
        if route.split(" ")[0] in {"GET", "POST", "PUT", "DELETE", "PATCH"} and right is not None:
            assert (await ask_rest(whole, route, {"Host": host})).status == 401, route
        elif route.startswith(("GraphQL Query", "GraphQL Mutation")):
            assert await ask(whole, route, {"Host": host}) == STRANGER, route


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("WebSocket")])
async def test_a_key_in_the_first_frame_counts_as_one_in_the_headers(whole: Whole, route: str) -> None:
    for role in ROLES:
        url = f"ws://127.0.0.1:{whole.port}{route.partition(' ')[2]}"
        async with connect(url, proxy=None) as socket:
            await socket.send(json.dumps({"type": "auth", "key": whole.keys[role]}))
            told = json.loads(await socket.recv())
        allowed = ROUTES[route] in RIGHTS[role]
        assert (told["type"], told.get("status")) == (("authenticated", None) if allowed else ("error", 403)), role
