"""The figures as markdown for people and as JSON for the next run."""

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.costs import Cost
from bench.gateways import FLOOR
from bench.measure import Figures
from bench.overload import CAPACITY, Overload
from bench.scaling import SCENARIO as SCALING
from bench.scaling import Scaling
from bench.startup import Startup
from bench.turns import Results

_COLUMNS = (
    *("scenario", "server", "CPU µs", "added p50 ms", "added p99 ms", "p50 ms", "p99 ms", "per s", "errors"),
    *("peak MB", "load µs"),
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that one call of the bench has measured; what was left out is empty."""

    results: Results
    startup: Startup | None = None
    costs: Sequence[Cost] = ()
    scaling: Scaling | None = None
    overload: Sequence[Overload] = ()


def markdown(found: Found) -> str:
    parts = [_startup(found.startup)] if found.startup else []
    parts += [_servers(found.results), _overview(found.results)]
    parts += [_costs(found.costs)] if found.costs else []
    parts += [_scaling(found.scaling)] if found.scaling else []
    parts += [_overload(found.overload)] if found.overload else []
    return "\n\n".join([*parts, _details(found.results)])


def save(folder: Path, found: Found) -> Path:
    """Writes both files, named by the time of day; returns the markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    told = {
        "machine": f"{platform.machine()} {platform.system()} Python {platform.python_version()}",
        "startup": msgspec.to_builtins(found.startup),
        "costs": msgspec.to_builtins(found.costs),
        "scaling": msgspec.to_builtins(found.scaling),
        "overload": msgspec.to_builtins(found.overload),
        **msgspec.to_builtins(found.results),
    }
    (folder / f"{stem}.json").write_text(json.dumps(told, indent=1), "utf-8")
    path = folder / f"{stem}.md"
    path.write_text(markdown(found) + "\n", "utf-8")
    return path


def _startup(startup: Startup) -> str:
    rows = [
        ("`import app.main`", f"{startup.import_seconds:.2f} s"),
        ("start to first answer of the demo model", f"{startup.first_answer_seconds:.2f} s"),
        ("resident size before that", f"{startup.idle_megabytes:.0f} MB"),
    ]
    return _table(("start-up", "median"), rows)


def _servers(results: Results) -> str:
    rows = [
        (server.name, server.version, "", "", f"not measured: {server.problem}")
        if server.problem
        else (server.name, server.version, f"{server.start_seconds:.1f}", f"{server.idle_mb:.0f}", "")
        for server in results.servers
    ]
    return _table(("server", "version", "start s", "idle MB", "remark"), rows)


def _overview(results: Results) -> str:
    """CPU µs of everyone in every scenario: the table to read first."""
    rows = [
        (server.name, *(_cpu(servers.get(server.name)) for servers in results.scenarios.values()))
        for server in results.servers
        if not server.problem
    ]
    return _table(("CPU µs", *results.scenarios), rows)


def _cpu(got: Figures | str | None) -> str:
    if isinstance(got, Figures):
        return f"{got.cpu_us:,.1f}" + (f" ({got.errors} errors)" if got.errors else "")
    return "failed" if got else ""


def _costs(found: Sequence[Cost]) -> str:
    rows = [
        (each.name, f"{each.cpu_us:.1f}", f"{each.low:.1f} to {each.high:.1f}", f"{each.without_us:.1f}")
        for each in found
    ]
    return _table(("what costs a request at c=32", "CPU µs", "half of the pairs", "without it"), rows)


def _scaling(found: Scaling) -> str:
    head = (SCALING.name, f"{found.workers} platforms", f"{found.workers} workers", "ratio", "half of the pairs")
    figures = (f"{found.apart_us:.1f}", f"{found.together_us:.1f}", f"{found.ratio:.2f}")
    return _table(head, [("CPU µs", *figures, f"{found.low:.2f} to {found.high:.2f}")])


def _overload(found: Sequence[Overload]) -> str:
    """How much of what the upstream can do is left when more is asked of it."""
    best = max(each.goodput for each in found)
    rows = [
        (
            f"{each.times:g} x {CAPACITY:.0f} a second",
            f"{each.goodput:.0f}",
            f"{each.goodput / best:.1%}",
            str(each.refused),
            f"{each.refusal_p99_ms:.1f}",
            f"{each.health_p99_ms:.1f}",
            str(each.faults),
            f"{each.recovery:.2f}",
        )
        for each in found
    ]
    head = ("load", "good answers a second", "of the best", "refused", "refusal p99 ms", "health p99 ms", "faults")
    return _table((*head, "recovery s"), rows)


def _details(results: Results) -> str:
    rows: list[Sequence[str]] = []
    for scenario, servers in results.scenarios.items():
        floor = servers.get(FLOOR)
        rows += [
            (scenario, name, *_figures(got, floor if name != FLOOR and isinstance(floor, Figures) else None))
            for name, got in servers.items()
        ]
    return _table(_COLUMNS, rows)


def _figures(got: Figures | str, floor: Figures | None) -> Sequence[str]:
    if isinstance(got, str):
        return (f"failed: {got}", *[""] * (len(_COLUMNS) - 3))
    added = (f"{got.p50_ms - floor.p50_ms:.2f}", f"{got.p99_ms - floor.p99_ms:.2f}") if floor else ("", "")
    return (
        f"{got.cpu_us:,.1f}",
        *added,
        f"{got.p50_ms:.2f}",
        f"{got.p99_ms:.2f}",
        f"{got.per_second:,.0f}",
        str(got.errors),
        f"{got.peak_mb:.0f}",
        f"{got.load_us:,.1f}",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
