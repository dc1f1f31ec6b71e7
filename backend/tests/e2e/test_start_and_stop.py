"""The process itself: how it starts, what it refuses, how it ends; alone and with several workers."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.servers.asking import CHAT, MESSAGES, becomes, chat
from tests.servers.echo_peer import EchoPeer, echo_peer
from tests.servers.platform_process import PlatformProcess, platform_process, run_command
from tests.servers.raw_client import Reply, connection, get, post, read_reply, request_bytes

WORKERS = [1, 2]


def configure(folder: Path, peer: EchoPeer, extra: str = "") -> None:
    (folder / "llm-platform.yaml").write_text(
        f'integrations: {{peer: {{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}}}\n{extra}'
    )


def servers_of(platform: PlatformProcess) -> list[psutil.Process]:
    """The processes that serve: the workers, or the only one."""
    main = psutil.Process(platform.process.pid)
    return [child for child in main.children() if _is_worker(child)] or [main]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it is just ending
        return False


async def streaming(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream of which the first word is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = {"model": "echo", "messages": MESSAGES, "stream": True}
    writer.write(request_bytes(CHAT, json.dumps(body).encode()))
    await reader.readuntil(b'"content": "What"')
    return reader, writer


async def test_each_worker_knows_or_finds_out_what_became_of_a_request(tmp_path: Path) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer)
        async with platform_process(tmp_path, "--workers", "2") as platform:
            answered = await post(platform.port, CHAT, {"model": "echo", "messages": MESSAGES})
            path = f"/v1/requests/{answered.headers['x-request-id']}/explain"
            told = [(await get(platform.port, path)).json() for _ in range(16)]  # by whoever takes the connection
            assert told == [told[0]] * 16
            assert told[0]["outcome"] == "ok"


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGTERM)])
async def test_a_stream_under_way_finishes_before_the_end(
    tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    hold = asyncio.Event()
    async with echo_peer(hold=hold) as peer:
        configure(tmp_path, peer)
        async with platform_process(tmp_path, "--workers", str(workers)) as platform, asyncio.timeout(20):
            reader, writer = await streaming(platform.port)
            platform.process.send_signal(number)

            async def refuses() -> bool:
                return await cannot_connect(platform.port)

            await becomes(refuses, 1.0)
            assert platform.process.returncode is None
            hold.set()
            rest = await reader.read()
            writer.close()
            assert b"pod?" in rest
            assert b"[DONE]" in rest
            assert await platform.stop() == 0
            assert "defect" not in platform.log()


async def test_a_stream_that_does_not_end_is_cut_at_the_limit(tmp_path: Path) -> None:
    async with echo_peer(hold=asyncio.Event()) as peer:
        configure(tmp_path, peer, "server: {shutdown_seconds: 1}\n")
        async with platform_process(tmp_path) as platform, asyncio.timeout(20):
            reader, writer = await streaming(platform.port)
            began = time.monotonic()
            assert await platform.stop() == 0
            assert 1.0 <= time.monotonic() - began < 6.0
            rest = await reader.read()
            writer.close()
            assert b"[DONE]" not in rest
            assert b'"error"' in rest


async def test_idle_connections_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with platform_process(tmp_path) as platform, connection(platform.port) as (reader, writer):
        writer.write(request_bytes("/v1/health", method="GET"))
        assert (await read_reply(reader)).status == 200
        began = time.monotonic()
        assert await platform.stop() == 0
        assert time.monotonic() - began < 5.0


async def test_two_workers_serve_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer)
        async with platform_process(tmp_path, "--workers", "2") as platform:

            async def two_serve() -> bool:
                return len(await served_by(platform)) == 2

            await becomes(two_serve, 20.0)
            before = {worker.pid for worker in servers_of(platform)}
            assert len(before) == 2
            os.kill(min(before), signal.SIGKILL)

            async def replaced() -> bool:
                there = {worker.pid for worker in servers_of(platform)}
                return len(there) == 2 and min(before) not in there

            await becomes(replaced, 10.0)
            assert {(await chat(platform.port, "echo")).status for _ in range(20)} == {200}
            await becomes(two_serve, 20.0)
            assert "ended with code -9 and is replaced" in platform.log()
            workers = servers_of(platform)
            assert await platform.stop() == 0
            assert not any(worker.is_running() for worker in workers)


@pytest.mark.parametrize("way", ["SIGHUP", "POST /admin/reload"])
async def test_workers_reload_together(tmp_path: Path, way: str) -> None:
    async with echo_peer() as peer:
        configure(tmp_path, peer)
        async with platform_process(tmp_path, "--workers", "2") as platform:

            async def known_to_both() -> bool:
                replies = [await chat(platform.port, "alias") for _ in range(16)]
                return all(reply.status == 200 for reply in replies)

            configure(tmp_path, peer, "models: {alias: peer/echo}\n")
            if way == "SIGHUP":
                platform.process.send_signal(signal.SIGHUP)
            else:
                assert (await post(platform.port, "/admin/reload", {})).status == 200
            await becomes(known_to_both, 10.0)


async def test_a_replaced_worker_begins_with_the_settings_that_were_accepted(tmp_path: Path) -> None:
    """A file without the key, refused since others can reach the address, must not open the door by the back."""
    async with echo_peer() as peer:
        configure(tmp_path, peer, "server: {api_key: sk-test}\n")
        async with platform_process(tmp_path, "--workers", "2") as platform:
            configure(tmp_path, peer, "server: {host: 0.0.0.0}\n")
            platform.process.send_signal(signal.SIGHUP)
            await becomes(lambda: _is("the old one stays" in platform.log()), 10.0)
            before = {worker.pid for worker in servers_of(platform)}
            for pid in before:
                os.kill(pid, signal.SIGKILL)

            async def all_replaced() -> bool:
                return len({worker.pid for worker in servers_of(platform)} - before) == 2

            await becomes(all_replaced, 20.0)
            assert {(await get(platform.port, "/v1/models")).status for _ in range(16)} == {401}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reload_takes_no_key_away_from_where_others_can_reach_it(tmp_path: Path, workers: int) -> None:
    """The new host, this machine alone, would hold from the next start on; the socket stays as it is."""
    async with echo_peer() as peer:
        configure(tmp_path, peer, "server: {host: 0.0.0.0, api_key: sk-test}\n")
        async with platform_process(tmp_path, "--workers", str(workers)) as platform:
            configure(tmp_path, peer, "")
            platform.process.send_signal(signal.SIGHUP)
            await becomes(lambda: _is("the old one stays" in platform.log()), 10.0)
            assert {(await get(platform.port, "/v1/models")).status for _ in range(16)} == {401}


async def _is(condition: bool) -> bool:
    return condition


async def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async with platform_process(tmp_path, "--workers", "2") as platform:
        workers = servers_of(platform)
        platform.process.kill()

        async def gone() -> bool:
            return not any(worker.is_running() and worker.status() != "zombie" for worker in workers)

        await becomes(gone, 10.0)


async def test_a_port_in_use_is_said_and_is_a_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = await run_command(tmp_path, "serve", "--port", str(port))
    assert ended.code == 1
    assert f"127.0.0.1:{port}" in ended.err
    assert "--port" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
async def test_without_a_key_nobody_else_can_reach_it(tmp_path: Path, host: str) -> None:
    ended = await run_command(tmp_path, "serve", "--port", "0", "--host", host)
    assert ended.code == 1
    assert "LLM_PLATFORM_API_KEY" in ended.err
    assert "127.0.0.1" in ended.err
    assert "Traceback" not in ended.err


async def test_with_a_key_it_serves_others_and_asks_them_for_it(tmp_path: Path) -> None:
    environment = {"LLM_PLATFORM_API_KEY": "open-sesame"}
    async with platform_process(tmp_path, "--host", "0.0.0.0", environment=environment) as platform:  # noqa: S104
        assert "open-sesame" not in platform.banner
        for key, status in (("", 401), ("Bearer wrong", 401), ("Bearer open-sesame", 200)):
            headers = {"Authorization": key} if key else {}
            assert (await get(platform.port, "/v1/models", headers)).status == status
        assert (await get(platform.port, "/v1/health")).status == 200
        assert await platform.stop() == 0
        assert "open-sesame" not in platform.log()


@pytest.mark.parametrize("workers", WORKERS)
async def test_a_signal_during_the_start_ends_it_in_good_order(tmp_path: Path, workers: int) -> None:
    """As soon as the port is open, which is before anything is served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *command_line("--port", str(port), "--grpc-port", "0", "--workers", str(workers)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def listens() -> bool:
        return not await cannot_connect(port)

    await becomes(listens, 20.0, every=0.001)
    process.terminate()
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode in {0, -signal.SIGTERM}
    assert b"Traceback" not in errors


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", "serve", *arguments]


async def cannot_connect(port: int) -> bool:
    try:
        async with connection(port):
            return False
    except ConnectionError:
        return True


async def served_by(platform: PlatformProcess) -> set[str]:
    """Every process has its own beginning of request ids."""
    replies: list[Reply] = [await chat(platform.port, "echo") for _ in range(16)]
    return {reply.headers["x-request-id"][:16] for reply in replies}
