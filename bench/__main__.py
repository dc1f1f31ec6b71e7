"""python -m bench: the platform's figures beside the floor (its upstream, asked directly) and beside its peers.

python -m bench --runs 3 --only "c=32"
python -m bench --runs 5 --only none       # what each layer costs, and overload
python -m bench --peers                    # all of them
python -m bench --peers nginx litellm      # those whose name holds one of these
"""

import argparse
import resource
import sys
from pathlib import Path

from bench import costs, overload, report, scaling, startup
from bench.gateways import Contender, platforms
from bench.install import contenders
from bench.peers import PEERS
from bench.scenarios import SCENARIOS
from bench.turns import take_turns

RESULTS = Path(__file__).parent / "results"
PAIRS = 3
"""For each run of the scenarios: a cost is a small difference of two figures."""


def main() -> None:
    given = _arguments()
    _allow_many_files()
    started = None if given.no_startup else startup.measure(given.runs)
    scenarios = [each for each in SCENARIOS if given.only in each.name]
    ours = () if given.no_platform else platforms(given.workers)
    results = take_turns([*ours, *_peers(given.peers)], scenarios, given.runs, _say)
    found = report.Found(
        startup=started,
        results=results,
        costs=[] if given.no_costs or given.no_platform else costs.measure(PAIRS * given.runs, _say),
        scaling=None if _alone(given) else scaling.measure(given.workers, PAIRS * given.runs),
        overload=[] if given.no_overload or given.no_platform else overload.measure(),
    )
    path = report.save(RESULTS, found)
    sys.stdout.write(f"{report.markdown(found)}\n\nsaved as {path.name} and .json in bench/results\n")


def _alone(given: argparse.Namespace) -> bool:
    """Whether nothing is to be told of several workers."""
    return bool(given.no_scaling or given.no_platform or given.workers < 2)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=3, help="runs of each scenario, of which the median counts")
    arguments.add_argument("--only", default="", help="only scenarios whose name holds this")
    arguments.add_argument("--workers", type=int, default=2, help="processes of the platform to compare with one")
    arguments.add_argument("--peers", nargs="*", metavar="NAME", help="install and measure other gateways too")
    arguments.add_argument("--no-startup", action="store_true", help="leave out import and start-up")
    arguments.add_argument("--no-costs", action="store_true", help="leave out what each layer costs")
    arguments.add_argument("--no-scaling", action="store_true", help="leave out workers beside platforms of one")
    arguments.add_argument("--no-overload", action="store_true", help="leave out more load than can be borne")
    arguments.add_argument("--no-platform", action="store_true", help="measure the floor and the peers alone")
    return arguments.parse_args()


def _peers(names: list[str] | None) -> list[Contender]:
    """None: no peers; an empty list: all."""
    if names is None:
        return []
    wanted = [peer for peer in PEERS if not names or any(name.lower() in peer.name.lower() for name in names)]
    return [contender for peer in wanted for contender in contenders(peer)]


def _allow_many_files() -> None:
    """A thousand streams need two thousand sockets in a gateway; processes inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
