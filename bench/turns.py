"""Who is measured when: everything is started once, and takes turns in each run of each scenario."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, nullcontext

import msgspec
import psutil

from bench.gateways import FLOOR, Contender, upstream
from bench.measure import Figures, NoFigures, measure, median_of, warm_up
from bench.processes import NotStarted, Running
from bench.scenarios import Scenario

Say = Callable[[str], object]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What was started, or why not. `idle_mb`: resident size after one answer."""

    name: str
    version: str = ""
    start_seconds: float = 0.0
    idle_mb: float = 0.0
    problem: str = ""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Scenario name → server name → figures, or why there are none."""

    servers: list[Server]
    scenarios: dict[str, dict[str, Figures | str]]


def take_turns(contenders: Iterable[Contender], scenarios: Iterable[Scenario], runs: int, say: Say) -> Results:
    """Start the upstream and all contenders, measure, stop them. Nothing that fails ends the others' turns."""
    with ExitStack() as stack:
        up = stack.enter_context(upstream())
        floor = Contender(name=FLOOR, start=lambda _: nullcontext(up))
        servers: list[Server] = []
        running: dict[Contender, Running] = {}
        for contender in (floor, *contenders):
            try:
                running[contender] = server = stack.enter_context(contender.start(up.address.port))
            except NotStarted as error:
                servers.append(Server(name=contender.name, version=contender.version, problem=str(error)))
            else:
                servers.append(_started(contender, server))
            say(f"{servers[-1].name}: {servers[-1].problem or 'started'}")
        for server in running.values():
            server.settle()
        measured = {scenario.name: _scenario(scenario, running, runs, say) for scenario in scenarios}
    return Results(servers=servers, scenarios=measured)


def _started(contender: Contender, server: Running) -> Server:
    return Server(
        name=contender.name,
        version=contender.version,
        start_seconds=server.started_in,
        idle_mb=server.rss_megabytes(),
    )


def _scenario(
    scenario: Scenario, running: Mapping[Contender, Running], runs: int, say: Say
) -> dict[str, Figures | str]:
    """Turns within each run, so that a noisy minute hits everyone."""
    taking_part = {
        contender: server
        for contender, server in running.items()
        if not contender.scenarios or scenario.name in contender.scenarios
    }
    found: dict[str, list[Figures]] = {contender.name: [] for contender in taking_part}
    failed: dict[str, str] = {}
    for run in range(runs):
        for contender, server in taking_part.items():
            if contender.name in failed:
                continue
            try:
                if run == 0:
                    warm_up(server, scenario)
                found[contender.name].append(measure(server, scenario))
            except (NoFigures, OSError, psutil.NoSuchProcess) as error:
                failed[contender.name] = str(error) or type(error).__name__
    say(f"{scenario.name}: done")
    return {name: failed.get(name) or median_of(figures) for name, figures in found.items()}
