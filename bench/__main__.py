"""python -m bench: the platform's own figures beside the floor (its upstream, asked directly).

python -m bench --runs 3 --only "c=32"
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from bench import report, startup
from bench.gateways import KEY, platform, upstream
from bench.measure import Figures, measure, median_of
from bench.processes import Running
from bench.scenarios import SCENARIOS, Scenario, request_bytes

Start = Callable[[], AbstractContextManager[Running]]
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=3, help="runs of each scenario, of which the median counts")
    arguments.add_argument("--only", default="", help="only scenarios whose name holds this")
    arguments.add_argument("--no-startup", action="store_true", help="leave out import and start-up")
    given = arguments.parse_args()
    started = None if given.no_startup else startup.measure(given.runs)
    table: dict[str, dict[str, Figures]] = {}
    for scenario in SCENARIOS:
        if given.only in scenario.name:
            table[scenario.name] = _scenario(scenario, given.runs)
            sys.stderr.write(f"{scenario.name}: done\n")
    path = report.save(RESULTS, started, table)
    sys.stdout.write(f"{report.markdown(started, table)}\n\nsaved as {path.name} and .json in bench/results\n")


def _scenario(scenario: Scenario, runs: int) -> dict[str, Figures]:
    """Servers take turns within each run, so that a noisy minute hits all of them."""
    found: dict[str, list[Figures]] = {}
    with upstream(scenario) as up:
        servers = {
            "upstream alone": (partial(nullcontext, up), None),
            "platform": (partial(platform, up.port), None),
            "platform, everything on": (partial(platform, up.port, key=KEY), KEY),
        }
        with _all({name: start for name, (start, _) in servers.items()}) as running:
            for _ in range(runs):
                for name, (_, key) in servers.items():
                    request = request_bytes(scenario, running[name].port, "bench", key)
                    found.setdefault(name, []).append(measure(running[name], scenario, request))
    return {name: median_of(figures) for name, figures in found.items()}


@contextmanager
def _all(starters: dict[str, Start]) -> Iterator[dict[str, Running]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(start()) for name, start in starters.items()}


if __name__ == "__main__":
    main()
