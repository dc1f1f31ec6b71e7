"""A short `make prove-ledger`: a few deaths, over SQLite, over PostgreSQL, with several workers."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.servers.platform_process import clean_environment
from tests.servers.postgres import Postgres

ROOT = Path(__file__).parents[3]
SHORT = ("--kills", "3", "--terms", "1", "--requests", "150", "--clients", "6", "--seed", "7")


async def prove(tmp_path: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.ledger", *SHORT, *arguments),
        cwd=ROOT,
        env=clean_environment(tmp_path, python_path=str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, out + err[-3000:]
    told = re.fullmatch(rb"requests (\d+) lost 0 doubled 0", out.splitlines()[-1])
    assert told, out
    assert int(told[1]) >= 150


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_whatever_kills_the_platform_each_call_is_kept_once(tmp_path: Path, workers: str) -> None:
    await prove(tmp_path, "--workers", workers)


async def test_the_same_over_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    async with postgres.database() as url:
        await prove(tmp_path, "--database", url)
