"""python -m bench.opcodes: what a request costs in Python's instructions, function by function.

    python -m bench.opcodes                          # the platform alone
    python -m bench.opcodes --everything --top 60    # with key, tier, budgets, ledger and request log
    python -m bench.opcodes --chunks 50              # per chunk of a stream
    python -m bench.opcodes --dialect gemini         # asked in OpenAI's format, asks on in Gemini's
    python -m bench.opcodes --asked anthropic        # asked in Anthropic's, asks on in OpenAI's

Time is noisy and these figures are not, so they show what a change costs, and a test holds the hot path to them.
What C code does is not seen, nor what the system does, nor the ledger's writing into the database.
"""

import argparse
import gc
import http.client
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from bench import gateways
from bench.processes import Address, free_port
from bench.scenarios import Scenario, chat_body

WARM_UP = 100
ROUNDS = 8
ROUND = 20
PAUSE = 0.25
"""Requests, and seconds before each round. Of each function the round counts in which it did least: what else runs
meanwhile, a health check or a write, is not in all of them.
"""


class Count:
    """Of the instructions of the thread that called `install`, while it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self.opcodes: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()

    def install(self) -> None:
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        if not self.on:
            return None
        self.calls[frame.f_code] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._inside

    def _inside(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if self.on and event == "opcode":
            self.opcodes[frame.f_code] += 1
        return self._inside


class Asking:
    """Asks the platform that runs in this process, and ends it; `found` is what it cost, by function."""

    def __init__(self, count: Count, address: Address, *, everything: bool, chunks: int) -> None:
        self.found: dict[str, Any] = {}
        self._count = count
        self._address = address
        self._everything = everything
        self._chunks = chunks
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._measure()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _measure(self) -> None:
        address = self._address
        gateways.wait_for(address)
        if self._everything:
            address = gateways.with_virtual_key(address)
        scenario = Scenario(
            name="one", connections=1, chunks=self._chunks, interval_ms=2.0 if self._chunks else 0.0
        )
        body = chat_body(scenario, address)
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
        headers = {"content-type": "application/json", **address.headers}
        number = ROUND if not self._chunks else 1

        def ask(times: int) -> None:
            for _ in range(times):
                connection.request("POST", address.path, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != http.client.OK:
                    raise RuntimeError(f"the platform answered with status {answer.status}")

        ask(WARM_UP if not self._chunks else 3)
        per = number * max(1, self._chunks)
        rounds = [self._round(ask, number) for _ in range(ROUNDS)]
        opcodes, calls = (_least([found[which] for found in rounds], per) for which in (0, 1))
        self.found = {
            "opcodes": sum(opcodes.values()),
            "calls": sum(calls.values()),
            "functions": opcodes,
            "garbage": self._garbage(ask, number) / number,
        }

    def _round(self, ask: Callable[[int], None], number: int) -> tuple[Counter[CodeType], Counter[CodeType]]:
        time.sleep(PAUSE)
        self._count.opcodes.clear()
        self._count.calls.clear()
        self._count.on = True
        ask(number)
        self._count.on = False
        return self._count.opcodes.copy(), self._count.calls.copy()

    def _garbage(self, ask: Callable[[int], None], number: int) -> int:
        """Objects that only the garbage collector could find: the least of several rounds."""
        least = sys.maxsize
        for _ in range(ROUNDS):
            gc.collect()
            ask(number)
            least = min(least, gc.collect())
        return least


def measure(*, everything: bool, chunks: int, asked: str = "openai", dialect: str = "openai") -> dict[str, Any]:
    """Runs the platform in this thread until it has been asked. Opcodes and calls per request, or per chunk."""
    from app.accounts.usage import ledger
    from app.main import serve
    from app.settings import load_settings

    # What is off a request's path, and done for hundreds of them together, would be done for a few in each round.
    ledger.FIRST_WRITE_SECONDS = ledger.WRITE_SECONDS = ledger.RETRY_SECONDS = 3600.0
    count = Count()
    with gateways.upstream() as up, tempfile.TemporaryDirectory() as folder:
        port = free_port()
        key = gateways.KEY if everything else None
        path = Path(folder) / "bench.yaml"
        path.write_text(
            json.dumps(
                gateways.configuration(
                    up.address.port,
                    folder,
                    key=key,
                    watching=gateways.METRICS if everything else {},
                    dialect=dialect,
                )
            ),
            "utf-8",
        )
        environment = {**gateways.clean_environment(), **({"LLM_PLATFORM_API_KEY": key} if key else {})}
        address = Address(port=port, path=gateways.PATHS[asked], headers=_bearer(everything))
        asking = Asking(count, address, everything=everything, chunks=chunks)
        count.install()
        asking.start()
        serve(lambda: load_settings(path, environment, {"server.port": port}))
        sys.settrace(None)
    return asking.found


def _bearer(everything: bool) -> dict[str, str]:
    return {"authorization": f"Bearer {gateways.KEY}"} if everything else {}


def _least(rounds: Sequence[Counter[CodeType]], per: int) -> dict[str, float]:
    """By function, the most first."""
    least: Counter[str] = Counter()
    for code in rounds[0]:
        least[_name(code)] += min(found[code] for found in rounds)
    return {name: count / per for name, count in least.most_common() if count}


def _name(code: CodeType) -> str:
    path = code.co_filename.rpartition("/site-packages/")[2].rpartition("/backend/")[2]
    return f"{path}:{code.co_qualname}"


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m bench.opcodes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--everything", action="store_true", help="with all that is counted, kept and told")
    arguments.add_argument("--chunks", type=int, default=0, help="of a stream of so many chunks, per chunk")
    arguments.add_argument("--asked", choices=gateways.PATHS, default="openai", help="the caller's format")
    arguments.add_argument("--dialect", choices=gateways.DIALECTS, default="openai", help="the upstream's format")
    arguments.add_argument("--top", type=int, default=30, help="so many functions")
    arguments.add_argument("--json", action="store_true", help="all of it once more, as the last line")
    given = arguments.parse_args()
    found = measure(everything=given.everything, chunks=given.chunks, asked=given.asked, dialect=given.dialect)
    functions = list(found["functions"].items())[: given.top]
    sys.stdout.write("".join(f"{opcodes:9.1f}  {name}\n" for name, opcodes in functions))
    sys.stdout.write(
        f"{found['opcodes']:.0f} opcodes, {found['calls']:.0f} calls, {found['garbage']:.1f} garbage\n"
    )
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
