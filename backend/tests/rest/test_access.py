"""Who may call what: every route with and without a key, odd hosts, browsers."""

from collections.abc import Iterator, Sequence

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from app.api.rest.front_door import FrontDoor
from tests.rest.gateway import CHAT, gateway
from tests.servers.raw_client import ask, get, post, request_bytes

KEY = "sk-test-master"
PROBES = (
    *("/v1/health", "/health", "/healthz", "/health/liveness", "/health/liveliness"),
    *("/v1/health/ready", "/health/ready", "/readyz", "/health/readiness"),
)
OPEN = {*PROBES, "/docs", "/openapi.json", "/docs/oauth2-redirect"}


def all_routes(routes: Sequence[BaseRoute]) -> Iterator[Route | APIRoute]:
    """The leaves: FastAPI keeps an included router as one route that holds others."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from all_routes(included.routes)
        else:
            assert isinstance(route, Route | APIRoute), f"a route of an unknown kind: {route}"
            yield route


def guarded_routes(door: object) -> list[tuple[str, str]]:
    """Every method and path that the application has, but for the probes and the API reference."""
    assert isinstance(door, FrontDoor)
    assert isinstance(door.rest, FastAPI)
    return sorted(
        (method, route.path.replace("{model:path}", "m").replace("{name}", "n"))
        for route in all_routes(door.rest.routes)
        if route.path not in OPEN
        for method in (route.methods or {"POST"}) - {"HEAD"}
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example", "127.0.0.1/v1/health", "a b", "x" * 300, ""])
async def test_without_a_key_no_guarded_route_answers_whatever_the_host(host: str) -> None:
    async with gateway(key=KEY) as platform:
        routes = guarded_routes(platform.app)
        paths = {path for _, path in routes}
        assert {"/v1/chat/completions", "/v1/models", "/admin/reload", "/integrations/status"} <= paths
        for method, path in routes:
            reply = await get(platform.port, path, {"Host": host}, method=method)
            assert reply.status == 401, (method, path, reply)
            error = reply.json()["error"]
            expected = {"type": "authentication_error"} if "/v1/messages" in path else {"code": "invalid_api_key"}
            assert expected.items() <= error.items()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"x-api-key": "wrong"},
        {"Authorization": f"Bearer {KEY}", "x-api-key": "other"},
        {"Authorization": "Bearer ' OR 1=1 --"},
    ],
)
async def test_a_wrong_key_is_refused_on_the_hot_path(headers: dict[str, str]) -> None:
    async with gateway(key=KEY) as platform:
        reply = await post(platform.port, "/v1/chat/completions", CHAT, headers)
        assert reply.status == 401
        assert KEY.encode() not in reply.body
        assert platform.provider.exchanges == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/integrations/status", "/nowhere"])
@pytest.mark.parametrize(("name", "good"), [("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)])
async def test_of_two_keys_that_differ_none_counts(path: str, name: str, good: str) -> None:
    async with gateway(key=KEY) as platform:
        for second, refused in ((good, False), ("Bearer other", True)):
            for first, last in ((good, second), (second, good)):
                head = f"GET {path} HTTP/1.1\r\nHost: x\r\n{name}: {first}\r\n{name.title()}: {last}\r\n\r\n"
                reply = await ask(platform.port, head.encode())
                assert (reply.status == 401) == refused
                assert (
                    not refused or f"'{name}' was sent with different values" in reply.json()["error"]["message"]
                )


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_the_key_opens_every_door(headers: dict[str, str]) -> None:
    async with gateway(key=KEY) as platform:
        assert (await post(platform.port, "/v1/chat/completions", CHAT, headers)).status == 200
        assert (await get(platform.port, "/v1/models", headers)).status == 200
        assert (await get(platform.port, "/integrations/status", {**headers, "Host": "any.example"})).status == 200


async def test_the_probes_need_no_key() -> None:
    async with gateway(key=KEY) as platform:
        for path in PROBES:
            assert (await get(platform.port, path)).status == 200


HOSTS = {
    "localhost": 200, "localhost:8000": 200, "127.0.0.1": 200, "127.8.9.1:80": 200, "[::1]:8000": 200,
    "evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "127.evil": 403,
    "evil.example:127": 403, "user@evil.example": 403, "[": 403, "10.0.0.1": 403,
}  # fmt: skip


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
async def test_without_any_key_only_this_machines_names_are_answered(host: str, status: int) -> None:
    async with gateway() as platform:
        raw = request_bytes("/v1/models", method="GET", headers={"Host": host})
        assert (await ask(platform.port, raw)).status == status


async def test_a_foreign_page_can_use_neither_a_keyless_platform_nor_read_a_keyed_one() -> None:
    page = {"Origin": "https://evil.example"}
    async with gateway() as platform:
        reply = await post(platform.port, "/v1/chat/completions", CHAT, page)
        assert (reply.status, platform.provider.exchanges) == (403, [])
        own = await post(platform.port, "/v1/chat/completions", CHAT, {"Origin": "http://localhost:3000"})
        assert own.status == 200
    async with gateway(key=KEY, origins=("https://good.example",)) as platform:
        reply = await get(platform.port, "/v1/models", {**page, "x-api-key": KEY})
        assert "access-control-allow-origin" not in reply.headers


async def test_a_listed_origin_gets_cors_headers_and_its_preflight() -> None:
    page = {"Origin": "https://good.example"}
    async with gateway(key=KEY, origins=("https://good.example",)) as platform:
        ask_first = {
            **page,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        reply = await get(platform.port, "/v1/chat/completions", ask_first, method="OPTIONS")
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "https://good.example")
        reply = await post(platform.port, "/v1/chat/completions", CHAT, {**page, "x-api-key": KEY})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "https://good.example")
