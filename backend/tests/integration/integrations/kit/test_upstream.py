"""What goes over the wire with one key, with several, and with none, whatever header shows them."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from app.core.http import OutboundRequest, get_json
from app.core.integration_framework import HealthReport, HealthStatus, IntegrationConfigError
from app.domain.errors import PlatformError, UpstreamAuthFailed, UpstreamRateLimited
from app.integrations.kit.keys import Header
from app.integrations.kit.probe import check
from app.integrations.kit.settings import UpstreamSettings
from app.integrations.kit.stream_end import EndMarkingTransport
from app.integrations.kit.upstream import Upstream
from app.wire.openai_chat import errors
from tests.servers.scripted import Reply, ScriptedServer, json_reply

OK = json_reply(b"{}")
REFUSED = json_reply(b'{"error":{"message":"Incorrect API key: canary-a"}}', 401)
ASKING = OutboundRequest(method="POST", path="/ask", headers=(("x-own", "1"),), body=b"{}")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


class Anthropics(UpstreamSettings):
    @staticmethod
    def credential(key: str) -> Header:
        return "x-api-key", key


class Googles(UpstreamSettings):
    @staticmethod
    def credential(key: str) -> Header:
        return "x-goog-api-key", key


def connect(
    server: ScriptedServer, *letters: str, kind: type[UpstreamSettings] = UpstreamSettings, **settings: Any
) -> Upstream:
    keys = [f"canary-{letter}" for letter in letters]
    given = {"api_keys": keys} if len(keys) > 1 else {"api_key": keys[0]} if keys else {}
    return Upstream.connect("up", server.url, kind.model_validate(given | settings))


def decode(status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
    return errors.decode(status, headers, body, "up")


async def ask(upstream: Upstream, model: str = "m") -> bytes:
    async with aclosing(await upstream.ask(ASKING, decode, model=model)) as response:
        return await response.read()


def shown(server: ScriptedServer, header: str = "authorization") -> list[str]:
    return [request.headers.get(header, "").removeprefix("Bearer canary-") for request in server.received]


@pytest.mark.parametrize(
    ("letters", "headers", "sent"),
    [
        ("", {}, ["", "", ""]),
        ("a", {}, ["a", "a", "a"]),
        ("ab", {}, ["a", "b", "a"]),
        ("a", {"Authorization": "Bearer canary-z"}, ["z", "z", "z"]),
        ("ab", {"Authorization": "Bearer canary-z"}, ["z", "z", "z"]),
    ],
)
async def test_who_is_shown(
    server: ScriptedServer, letters: str, headers: dict[str, str], sent: list[str]
) -> None:
    server.on("POST", "/ask", OK)
    async with aclosing(connect(server, *letters, headers=headers)) as upstream:
        for _ in range(3):
            await ask(upstream)
    assert shown(server) == sent
    assert {request.headers["x-own"] for request in server.received} == {"1"}


@pytest.mark.parametrize(
    ("kind", "header", "prefix"),
    [
        (UpstreamSettings, "authorization", "Bearer "),
        (Anthropics, "x-api-key", ""),
        (Googles, "x-goog-api-key", ""),
    ],
)
@pytest.mark.parametrize("letters", ["aa", "ab"])
async def test_each_vendors_header(
    server: ScriptedServer, kind: type[UpstreamSettings], header: str, prefix: str, letters: str
) -> None:
    server.on("POST", "/ask", OK).on("GET", "/models", OK)
    async with aclosing(connect(server, *letters, kind=kind)) as upstream:
        await ask(upstream)
        await get_json(upstream, "/models")
    assert [request.headers[header] for request in server.received] == [f"{prefix}canary-{x}" for x in letters]
    assert {"authorization", "x-api-key", "x-goog-api-key"} & server.received[0].headers.keys() == {header}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (REFUSED, UpstreamAuthFailed),
        (json_reply(b'{"error":{"message":"Insufficient Balance"}}', 402), UpstreamRateLimited),
        (json_reply(b"{}", 429, retry_after="30"), UpstreamRateLimited),
        (json_reply(b'{"error":{"message":"no access to model m"}}', 403), UpstreamAuthFailed),
    ],
)
async def test_the_next_try_goes_with_another_key(
    server: ScriptedServer, answer: Reply, error: type[PlatformError]
) -> None:
    server.on("POST", "/ask", answer, OK)
    async with aclosing(connect(server, "a", "b")) as upstream:
        with pytest.raises(error) as caught:
            await ask(upstream)
        # The pause that one key was told is none of the target's.
        assert (caught.value.rotated, caught.value.retry_after) == (True, None)
        for _ in range(3):
            await ask(upstream)
    assert shown(server) == ["a", "b", "b", "b"]
    assert server.connections == 1


async def test_the_limit_of_one_model_is_not_that_of_another(server: ScriptedServer) -> None:
    server.on("POST", "/ask", json_reply(b"{}", 429, retry_after="30"), OK)
    async with aclosing(connect(server, "a", "b")) as upstream:
        with pytest.raises(UpstreamRateLimited):
            await ask(upstream, "busy")
        for model in ("busy", "busy", "idle", "idle"):
            await ask(upstream, model)
    assert shown(server) == ["a", "b", "b", "a", "b"]


async def test_when_all_rest_nothing_is_sent(server: ScriptedServer) -> None:
    server.on("POST", "/ask", json_reply(b"{}", 429, retry_after="30"), json_reply(b"{}", 429, retry_after="9"))
    async with aclosing(connect(server, "a", "b")) as upstream:
        caught = []
        for _ in range(3):
            with pytest.raises(UpstreamRateLimited) as raised:
                await ask(upstream)
            caught.append(raised.value)
    assert [error.rotated for error in caught] == [True, False, False]
    assert [error.retry_after for error in caught] == [None, pytest.approx(9.0), pytest.approx(9.0, abs=1.0)]
    assert len(server.received) == 2


async def test_a_single_key_is_asked_with_whatever_was_answered(server: ScriptedServer) -> None:
    server.on("POST", "/ask", REFUSED, json_reply(b"{}", 429), OK)
    async with aclosing(connect(server, "a")) as upstream:
        for error in (UpstreamAuthFailed, UpstreamRateLimited):
            with pytest.raises(error) as caught:
                await ask(upstream)
            assert not caught.value.rotated
        assert await ask(upstream) == b"{}"
        assert upstream.told_in(HealthReport()) == HealthReport()


async def test_a_check_passes_over_refused_keys_and_finds_them_again(server: ScriptedServer) -> None:
    server.on("GET", "/models", REFUSED, OK, OK, REFUSED, OK, OK)
    upstream = connect(server, "a", "b", key_recheck_interval=1e-9)
    reports = []
    async with aclosing(upstream):
        for _ in range(4):
            reports.append(upstream.told_in(await check(upstream, "/models", 5)))
    # `a` is refused; the next check begins with it and finds it good; and so once more.
    assert shown(server) == ["a", "b", "a"] * 2
    assert [report.details["keys"]["usable"] for report in reports] == [1, 2, 1, 2]
    assert [report.status for report in reports] == [HealthStatus.DEGRADED, HealthStatus.HEALTHY] * 2


@pytest.mark.parametrize(
    ("statuses", "usable"), [((403, 200), 2), ((403, 403), 2), ((401, 403), 1), ((401, 401), 0)]
)
async def test_a_key_that_may_not_list_models_is_not_out(
    server: ScriptedServer, statuses: tuple[int, int], usable: int
) -> None:
    server.on("GET", "/models", *(json_reply(b"{}", status) for status in statuses))
    async with aclosing(connect(server, "a", "b")) as upstream:
        async with aclosing(await upstream.open(OutboundRequest(method="GET", path="/models"))) as response:
            assert response.status == statuses[1]
        assert upstream.told_in(HealthReport()).details["keys"] == {"usable": usable, "of": 2}
    assert shown(server) == ["a", "b"]


async def test_failures_are_logged_and_a_callers_own_are_not(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("POST", "/ask", json_reply(b"my prompt is bad", 400), REFUSED, json_reply(b"boom canary-a", 500))
    async with aclosing(connect(server, "a")) as upstream:
        for _ in range(3):
            with pytest.raises(PlatformError):
                await ask(upstream)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("app.")]
    assert told == [
        'up answered with status 401: {"error":{"message":"Incorrect [redacted]"}}',
        "up answered with status 500: boom [redacted]",
    ]


async def test_a_transport_over_it_has_the_same_keys(server: ScriptedServer) -> None:
    server.on("POST", "/ask", REFUSED, OK)
    async with aclosing(connect(server, "a", "b")) as upstream:
        through = upstream.through(EndMarkingTransport)
        with pytest.raises(UpstreamAuthFailed):
            await ask(through)
        await ask(upstream)
        await ask(through)
    assert shown(server) == ["a", "b", "b"]


def test_an_address_that_is_none() -> None:
    with pytest.raises(IntegrationConfigError, match="URL"):
        Upstream.connect("up", "http://h:port", UpstreamSettings())
