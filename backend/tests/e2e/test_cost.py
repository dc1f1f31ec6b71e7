"""The hot path costs no more than it did: counted in Python's instructions, which no busy machine changes."""

import json
import subprocess
import sys

import pytest
from bench.gateways import clean_environment
from bench.processes import ROOT


def cost(*options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.opcodes", "--json", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=120, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("options", "most"), [((), 6_150), (("--everything",), 8_700), (("--chunks", "50"), 700)], ids=str
)
def test_the_hot_path_is_as_short_as_it_was(options: tuple[str, ...], most: int) -> None:
    """Whoever makes it longer raises a ceiling here, and says in the commit what that is worth. `python -m
    bench.opcodes` tells which functions it goes to. A chunk that comes with the next one costs less, so its
    ceiling is that of one alone.
    """
    found = cost(*options)
    assert 0.3 * most < found["opcodes"] <= most
    assert found["garbage"] == 0, "something that a request makes is in a circle"
