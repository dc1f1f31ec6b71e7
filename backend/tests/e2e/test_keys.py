"""Keys as people use them: from the command line, on a platform that restarts, with several workers."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from openai import AsyncOpenAI

from tests.servers.asking import MESSAGES, becomes
from tests.servers.platform_process import Finished, PlatformProcess, platform_process, run_command
from tests.servers.raw_client import get

MASTER = "sk-master"
MASTER_KEY = {"LLM_PLATFORM_API_KEY": MASTER}


async def command(platform: PlatformProcess, folder: Path, *arguments: str, key: str = MASTER) -> Finished:
    environment = {"LLM_PLATFORM_URL": platform.url, "LLM_PLATFORM_API_KEY": key}
    return await run_command(folder, *arguments, environment=environment)


async def created(platform: PlatformProcess, folder: Path, *arguments: str) -> str:
    ended = await command(platform, folder, "keys", "create", *arguments)
    assert ended.code == 0, ended.err
    text = ended.out.strip()
    assert re.fullmatch(r"sk-llmp-[0-9A-Za-z]{49}", text)
    return text


async def works(platform: PlatformProcess, text: str) -> bool:
    return (await get(platform.port, "/v1/models", {"x-api-key": text})).status == 200


async def test_from_the_first_key_to_its_end(tmp_path: Path) -> None:
    async with platform_process(tmp_path, environment=MASTER_KEY) as platform:
        text = await created(platform, tmp_path, "--owner", "ann", "--model", "demo")
        async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=text) as client:
            assert [model.id async for model in client.models.list()] == ["demo"]
            answer = await client.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=3)  # type: ignore[arg-type]
            assert answer.choices[0].message.content
        listed = await command(platform, tmp_path, "keys", "list", "--output", "json")
        [key] = json.loads(listed.out)["keys"]
        assert (key["owner"], key["models"], key["status"]) == ("ann", ["demo"], "active")
        rotated = await command(platform, tmp_path, "keys", "rotate", key["id"], "--overlap", "0")
        new = rotated.out.strip()
        assert [await works(platform, each) for each in (text, new)] == [False, True]
        own = await command(platform, tmp_path, "keys", "list", "-o", "json", key=new)
        assert json.loads(own.out) == {"keys": []}  # none below it
        denied = await command(platform, tmp_path, "audit", "list", key=new)
        assert (denied.code, "admin" in denied.err) == (1, True)
        assert await platform.stop() == 0
    async with platform_process(tmp_path, environment=MASTER_KEY) as platform:  # nothing is forgotten
        assert await works(platform, new)
        assert not await works(platform, text)
        assert (await command(platform, tmp_path, "keys", "revoke", key["id"])).code == 0
        assert not await works(platform, new)
        done = await command(platform, tmp_path, "audit", "list", "--action", "key.", "--output", "json")
        acts = [record["action"] for record in json.loads(done.out)["data"]]
        assert acts == ["key.revoke", "key.rotate", "key.create"]
        exported = await command(platform, tmp_path, "audit", "export")
        assert [json.loads(line)["action"] for line in exported.out.splitlines()] == acts[::-1]
        assert await platform.stop() == 0
        for secret in (text, new, MASTER):
            assert secret not in platform.log() + exported.out + done.out
    folder = tmp_path / ".local" / "share" / "llm-platform"
    assert (folder / "key-secret").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(folder / "llm-platform.db")) as database:
        assert text not in "\n".join(database.iterdump())


async def test_a_key_is_known_and_forgotten_in_every_worker(tmp_path: Path) -> None:
    async with platform_process(tmp_path, "--workers", "2", environment=MASTER_KEY) as platform:
        text = await created(platform, tmp_path)
        assert all(await asyncio.gather(*(works(platform, text) for _ in range(32))))
        [key] = json.loads((await command(platform, tmp_path, "keys", "list", "-o", "json")).out)["keys"]
        assert (await command(platform, tmp_path, "keys", "revoke", key["id"])).code == 0

        async def nowhere() -> bool:
            return not any(await asyncio.gather(*(works(platform, text) for _ in range(32))))

        await becomes(nowhere, 6.0)
        assert await platform.stop() == 0


async def test_without_a_master_key_a_virtual_one_counts_all_the_same(tmp_path: Path) -> None:
    async with platform_process(tmp_path) as platform:
        text = await created(platform, tmp_path, "--role", "viewer")
        denied = await get(platform.port, "/v1/keys", {"x-api-key": text})
        assert (denied.status, (await get(platform.port, "/v1/keys")).status) == (403, 200)
        assert not await works(platform, text[:-1] + ("0" if text[-1] != "0" else "1"))
