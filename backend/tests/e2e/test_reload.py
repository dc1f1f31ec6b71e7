"""R8: the configuration is exchanged under load, by SIGHUP and by POST /admin/reload, and no request fails."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.core.integration_framework import BaseIntegration, drain
from app.integrations.kit.platform import UpstreamPlatform
from tests.servers.asking import CHAT, MESSAGES, becomes, chat, model_names
from tests.servers.echo_peer import EchoPeer, echo_peer
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import Reply, connection, get, post, read_reply, request_bytes
from tests.servers.whole_platform import whole_platform

RELOADS = 20
REQUESTS = 10_000
LANES = 4


def configure(folder: Path, peer: EchoPeer, name: str, *, extra: str = "") -> None:
    """One integration called `name`, and the model `shared` that leads to it."""
    (folder / "llm-platform.yaml").write_text(
        f"integrations:\n"
        f"  {name}:\n"
        f"    kind: openai_compatible\n"
        f'    settings: {{base_url: "{peer.url}"}}\n'
        f"models:\n"
        f"  shared: {name}/echo\n"
        f"{extra}"
    )


@asynccontextmanager
async def load(port: int) -> AsyncIterator[list[Reply]]:
    """Requests without pause, streaming and not, on connections that stay open."""
    replies: list[Reply] = []
    stop = asyncio.Event()

    async def lane(stream: bool) -> None:
        body = json.dumps({"model": "shared", "messages": MESSAGES, "stream": stream}).encode()
        async with connection(port) as (reader, writer):
            while not stop.is_set():
                writer.write(request_bytes(CHAT, body))
                replies.append(await read_reply(reader))

    async with asyncio.timeout(120), asyncio.TaskGroup() as lanes:
        for number in range(LANES):
            lanes.create_task(lane(number % 2 == 0))
        try:
            yield replies
        finally:
            stop.set()


async def answered(replies: Sequence[Reply], count: int) -> None:
    async def so_many() -> bool:
        return len(replies) >= count

    await becomes(so_many, 30.0)


async def reload(platform: PlatformProcess, name: str, number: int) -> None:
    """By turns in either way; returns when the change is in effect."""
    if number % 2:
        platform.process.send_signal(signal.SIGHUP)
    else:
        answer = await post(platform.port, "/admin/reload", {})
        assert answer.status == 200, answer.body
        assert (answer.json()["integrations"]["added"], answer.json()["needs_restart"]) == ([name], [])

    async def moved() -> bool:
        return (await chat(platform.port, "shared")).headers["x-llm-provider"] == name

    await becomes(moved, 5.0 if number % 2 else 0.5)


async def test_twenty_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    """Each one takes an integration away and moves the model to a new one."""
    async with echo_peer() as one, echo_peer() as two:
        configure(tmp_path, one, "version-0")
        async with platform_process(tmp_path) as platform:
            async with load(platform.port) as replies:
                for number in range(1, RELOADS + 1):
                    configure(tmp_path, two if number % 2 else one, f"version-{number}")
                    await reload(platform, f"version-{number}", number)
                    await answered(replies, REQUESTS * number // RELOADS)
            failed = [reply for reply in replies if reply.status != 200 or b'"error"' in reply.body]
            assert failed == []
            assert len(replies) >= REQUESTS
            assert len({reply.headers["x-llm-provider"] for reply in replies}) == RELOADS + 1
            assert [name for name in await model_names(platform.port) if name != "demo"] == ["shared", "echo"]
            status = (await get(platform.port, "/integrations/status")).json()["integrations"]
            assert [each["name"] for each in status if each["name"].startswith("version")] == [
                f"version-{RELOADS}"
            ]
            assert await platform.stop() == 0
            assert "defect" not in platform.log()


async def test_a_stream_on_an_integration_that_is_removed_comes_to_its_end(tmp_path: Path) -> None:
    hold = asyncio.Event()
    async with echo_peer(hold=hold) as old, echo_peer() as new:
        configure(tmp_path, old, "old")
        async with platform_process(tmp_path) as platform:
            async with asyncio.timeout(10), connection(platform.port) as (reader, writer):
                body = {"model": "shared", "messages": MESSAGES, "stream": True}
                writer.write(request_bytes(CHAT, json.dumps(body).encode()))
                first = await reader.readuntil(b'"content": "What"')
                configure(tmp_path, new, "new")
                assert (await post(platform.port, "/admin/reload", {})).json()["integrations"]["removed"] == [
                    "old"
                ]
                assert (await get(platform.port, "/integrations/old/status")).status == 404
                assert (await chat(platform.port, "shared")).headers["x-llm-provider"] == "new"
                hold.set()
                rest = await reader.readuntil(b"[DONE]")
            assert b" 200 " in first
            assert b"pod?" in rest
            assert b"error" not in rest
            assert await platform.stop() == 0


async def test_a_stream_outlives_the_least_that_a_replaced_integration_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody uses is gone soon, one with a stream when that ends; the reload itself waits for neither."""
    monkeypatch.setattr(drain, "LEAST_SECONDS", 0.05)
    monkeypatch.setattr(drain, "LOOK_SECONDS", 0.02)
    async with whole_platform(tmp_path, key=None) as whole:
        whole.peer.hold = asyncio.Event()
        file, replaced = tmp_path / "whole.yaml", []
        async with asyncio.timeout(10), connection(whole.port) as (reader, writer):
            body = {"model": "echo", "messages": MESSAGES, "stream": True}
            writer.write(request_bytes(CHAT, json.dumps(body).encode()))
            await reader.readuntil(b'"content": "What"')
            for version in ("2", "3"):
                replaced.append(whole.platform.manager.get_integration("peer"))
                written = json.loads(file.read_text())
                written["integrations"]["peer"]["settings"]["headers"] = {"x-version": version}
                file.write_text(json.dumps(written))
                told = (await post(whole.port, "/admin/reload", {})).json()
                assert told["integrations"]["changed"] == ["peer"]
            used, unused = replaced
            await becomes(lambda: over(unused))
            assert not await over(used)
            whole.peer.hold.set()
            assert b"error" not in await reader.readuntil(b"[DONE]")
        await becomes(lambda: over(used))


async def over(integration: BaseIntegration) -> bool:
    """Whether it has let go of its connections."""
    assert isinstance(integration, UpstreamPlatform)
    return integration._upstream is None


async def test_names_that_lead_nowhere_are_told_at_the_start_and_at_a_reload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with whole_platform(tmp_path, key=None, aliases={"lost": "nothing"}) as whole:
        await becomes(lambda: is_told(caplog, "aliases.lost: no integration has a model 'nothing'"))
        file = tmp_path / "whole.yaml"
        file.write_text(json.dumps({**json.loads(file.read_text()), "routing": {"fallbacks": ["nobody"]}}))
        assert (await post(whole.port, "/admin/reload", {})).status == 200
        await becomes(lambda: is_told(caplog, "routing.fallbacks[0]: no integration has a model 'nobody'"))


async def is_told(caplog: pytest.LogCaptureFixture, line: str) -> bool:
    return any(line in message for message in caplog.messages)


async def test_a_bad_configuration_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer, "good")
        async with platform_process(tmp_path) as platform:
            for extra, told in (
                ("limits: {json_depht: 3}\n", "json_depht"),
                ("timeouts: {total: soon}\n", "timeouts.total"),
                ("models: [", "llm-platform.yaml:7"),
                ("server: {host: 0.0.0.0}\n", "LLM_PLATFORM_API_KEY"),
            ):
                configure(tmp_path, peer, "bad", extra=extra)
                answer = await post(platform.port, "/admin/reload", {})
                assert answer.status == 400
                assert told in answer.json()["error"]["message"]
                assert (await chat(platform.port, "shared")).headers["x-llm-provider"] == "good"
            refusals = platform.log().count("the old one stays")
            platform.process.send_signal(signal.SIGHUP)

            async def logged() -> bool:
                return platform.log().count("the old one stays") > refusals

            await becomes(logged)
            assert (await chat(platform.port, "shared")).headers["x-llm-provider"] == "good"


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("  other: gone/echo\n", "no integration 'gone'"),
        ("integrations.x: 1\n", "integrations.x"),
        ("  other: peer/echo\nlimits: {json_dept: 3}\n", "json_dept"),
    ],
)
async def test_what_config_check_refuses_a_reload_refuses_too(tmp_path: Path, extra: str, told: str) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer, "peer")
        async with platform_process(tmp_path) as platform:
            configure(tmp_path, peer, "peer", extra=extra)
            reply = await post(platform.port, "/admin/reload", {})
            assert reply.status == 400
            assert told in reply.json()["error"]["message"]
            assert (await chat(platform.port, "other")).status == 404
            assert (await chat(platform.port, "shared")).status == 200


NEW_SERVER = """
server: {api_key: new-key, workers: 3}
front_ends: {grpc: false}  # several workers need a fixed port for it
limits: {body_bytes: 9, processes: 7}
"""


async def test_settings_of_the_server_change_too_or_say_that_they_need_a_restart(tmp_path: Path) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer, "peer")
        async with platform_process(tmp_path) as platform:
            configure(tmp_path, peer, "peer", extra=NEW_SERVER)
            told = (await post(platform.port, "/admin/reload", {})).json()["needs_restart"]
            assert told == ["server.workers", "limits.processes"]
            assert (await chat(platform.port, "shared")).status == 401
            key = {"Authorization": "Bearer new-key"}
            assert (await post(platform.port, CHAT, {"model": "shared"}, key)).status == 413
            assert (await get(platform.port, "/v1/models", key)).status == 200


async def test_an_integration_that_does_not_come_up_changed_keeps_its_old_self(tmp_path: Path) -> None:
    """Its new address leads nowhere: the change is refused, the rest of the reload is done."""
    async with echo_peer() as peer:
        configure(tmp_path, peer, "peer")
        async with platform_process(tmp_path) as platform:
            nowhere = EchoPeer()
            nowhere.url = "http://127.0.0.1:9"
            configure(tmp_path, nowhere, "peer", extra="  other: peer/echo\n")
            told = (await post(platform.port, "/admin/reload", {})).json()["integrations"]
            assert list(told["refused"]) == ["peer"]
            assert "peer" in told["refused"]["peer"]
            assert (await chat(platform.port, "shared")).status == 200
            assert (await chat(platform.port, "other")).status == 200
