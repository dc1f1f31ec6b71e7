"""Who gets a socket: keys by header, by first frame, never by URL; origins; a front-end that is off."""

import asyncio

import pytest

from tests.servers.raw_client import get
from tests.websocket.gateway import HI, Gateway, client, gateway, policy, refused, text

KEY = "sk-test-master"
PATHS = ("/ws/chat", "/ws/models", "/ws/metrics")


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_a_key_in_the_headers(headers: dict[str, str]) -> None:
    async with gateway(key=KEY) as platform:
        async with client(platform, headers=headers) as socket:
            assert text(await socket.ask()) == "Hello"
            assert platform.records[0].principal == "operator"
        for path in PATHS[1:]:
            async with client(platform, path, headers) as socket:
                assert (await socket.frame())["type"] == "snapshot"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}", "x-api-key": "other"},
        {"x-api-key": f"{KEY}x"},
    ],
)
async def test_a_wrong_key_in_the_headers_opens_nothing(path: str, headers: dict[str, str]) -> None:
    async with gateway(key=KEY) as platform:
        status, error = await refused(platform, path, headers)
        assert (status, error["code"]) == (401, "invalid_api_key")
        assert KEY not in error["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_key_in_the_first_frame(path: str) -> None:
    async with gateway(key=KEY) as platform, client(platform, path) as socket:
        await socket.send(type="auth", key=KEY)
        assert await socket.frame() == {"type": "authenticated"}
        if path == "/ws/chat":
            assert text(await socket.ask()) == "Hello"
        else:
            assert (await socket.frame())["type"] == "snapshot"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "key": "wrong"}, "invalid_api_key"),
        ({"type": "auth", "key": 7}, "invalid_type"),
        ({"type": "auth"}, "invalid_type"),
        (HI, "invalid_api_key"),
        ({"type": "cancel", "id": 1}, "invalid_api_key"),
    ],
)
async def test_a_wrong_first_frame_closes_with_1008(path: str, first: dict[str, object], code: str) -> None:
    async with gateway(key=KEY) as platform, client(platform, path) as socket:
        await socket.send(**first)
        failed = await socket.frame()
        assert (failed["id"], failed["type"], failed["error"]["code"]) == (None, "error", code)
        assert await socket.closed() == 1008
        assert platform.provider.exchanges == []


async def test_the_key_has_to_come_in_time() -> None:
    async with gateway(key=KEY, patience=0.05) as platform, client(platform) as socket:
        assert (await socket.frame())["error"]["code"] == "auth_timeout"
        assert await socket.closed() == 1008


@pytest.mark.parametrize(
    "query",
    [f"key={KEY}", f"api_key={KEY}", f"API-Key={KEY}", f"token={KEY}", f"a=1&access_token={KEY}", "auth="],
)
async def test_a_key_in_the_url_is_refused_even_when_it_is_right(
    query: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    async with gateway(key=KEY) as platform:
        status, error = await refused(platform, f"/ws/chat?{query}", {"x-api-key": KEY})
        assert (status, error["code"]) == (401, "key_in_url")
        assert "Authorization" in error["message"]
    assert KEY not in caplog.text


async def test_another_query_is_let_be() -> None:
    async with gateway() as platform, client(platform, "/ws/chat?theme=dark") as socket:
        assert text(await socket.ask()) == "Hello"


async def test_an_auth_frame_is_welcome_where_none_is_needed() -> None:
    """A page sends it first without knowing how the platform is set."""
    async with gateway() as platform, client(platform) as socket:
        await socket.send(type="auth", key="anything")
        assert await socket.frame() == {"type": "authenticated"}
    async with gateway(key=KEY) as platform, client(platform, headers={"x-api-key": KEY}) as socket:
        await socket.send(type="auth", key="wrong")
        assert (await socket.frame())["status"] == 401
        assert text(await socket.ask()) == "Hello"


async def test_a_key_that_is_taken_back_stops_working_on_open_sockets() -> None:
    async with gateway(key=KEY) as platform, client(platform, headers={"x-api-key": KEY}) as socket:
        assert text(await socket.ask()) == "Hello"
        platform.policy = policy("sk-new")
        assert (await socket.ask())[-1]["error"]["code"] == "invalid_api_key"
        await socket.send(type="auth", key="sk-new")
        assert await socket.frame() == {"type": "authenticated"}
        assert text(await socket.ask()) == "Hello"


FOREIGN = (
    "https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "null", "file://",
    "http://evil.example:8000", "https://good.example.evil.example", "https://good.example:444",
    "http://good.example", "HTTPS://GOOD.EXAMPLE", "https://good.example/", "https://good.example@evil.example",
    "chrome-extension://abcdef", "http://10.0.0.1", "http://[", "*",
)  # fmt: skip


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("path", [*PATHS, "/graphql", "/ws/none"])
async def test_a_page_of_a_foreign_origin_gets_no_socket(path: str, key: str | None) -> None:
    async with gateway(key=key, origins=("https://good.example",)) as platform:
        for origin in FOREIGN:
            status, error = await refused(platform, path, {"Origin": origin, "x-api-key": KEY})
            assert (status, error["code"]) == (403, "permission_denied"), origin


OWN = ("http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]")


@pytest.mark.parametrize(("key", "origin", "opens"), [
    (None, "https://good.example", True), (KEY, "https://good.example", True),
    *((None, origin, True) for origin in OWN), *((KEY, origin, False) for origin in OWN),
])  # fmt: skip
async def test_listed_origins_and_without_a_key_this_machines_own(
    key: str | None, origin: str, opens: bool
) -> None:
    async with gateway(key=key, origins=("https://good.example",)) as platform:
        headers = {"Origin": origin, "x-api-key": KEY}
        if opens:
            async with client(platform, headers=headers) as socket:
                assert text(await socket.ask()) == "Hello"
        else:
            assert (await refused(platform, headers=headers))[0] == 403


async def test_every_origin_where_all_are_listed() -> None:
    page = {"Origin": "https://any.example", "x-api-key": KEY}
    async with gateway(key=KEY, origins=("*",)) as platform, client(platform, headers=page) as socket:
        assert text(await socket.ask()) == "Hello"
    async with gateway(origins=("*",)) as platform:
        assert (await refused(platform, headers=page))[0] == 403


async def test_without_a_key_only_this_machines_names_are_answered() -> None:
    async with gateway() as platform:
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
            assert (await _with_host(platform, host)) == 403
        assert (await _with_host(platform, "localhost:1")) == 101


async def _with_host(platform: Gateway, host: str) -> int:
    headers = {
        "Host": host, "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.port)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(["GET /ws/chat HTTP/1.1", *lines, "", ""]).encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


async def test_a_plain_request_is_told_to_upgrade() -> None:
    async with gateway() as platform:
        reply = await get(platform.port, "/ws/chat")
        assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")


async def test_a_front_end_that_is_off_answers_404() -> None:
    async with gateway() as platform, client(platform) as socket:
        await platform.manager.reconfigure([], drain=0.2)
        for path in PATHS:
            status, error = await refused(platform, path)
            assert (status, error["code"]) == (404, "front_end_off")
        assert (await socket.ask())[-1]["error"]["code"] == "front_end_off"
        assert await socket.closed() == 1001


async def test_no_refusal_is_logged_as_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway(key=KEY) as platform:
        await refused(platform, headers={"x-api-key": "wrong"})
        await refused(platform, headers={"Origin": "https://evil.example"})
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
