"""What is freed is kept: told by the pages that the system has to hand out, in a process of its own."""

import subprocess
import sys

import pytest

ASKING = """
import resource
from app.core.allocator import keep_freed_memory
{first}
def copies():
    return [bytes(bytearray(2**20)) for _ in range(4)]

copies()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    copies()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", ASKING.format(first=first)], capture_output=True, text=True, timeout=60, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_long_prompts_take_no_new_pages_from_the_system() -> None:
    assert faults("keep_freed_memory()") < faults("") / 10
