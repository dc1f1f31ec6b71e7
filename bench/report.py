"""The figures as markdown for people and as JSON for the next run."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.measure import Figures
from bench.startup import Startup

Table = Mapping[str, Mapping[str, Figures]]
"""Scenario name → server name → figures."""


def markdown(startup: Startup | None, table: Table) -> str:
    lines: list[str] = []
    if startup is not None:
        lines += [
            "| start-up | median |",
            "|---|---|",
            f"| `import app.main` | {startup.import_seconds:.2f} s |",
            f"| start to first answer of the demo model | {startup.first_answer_seconds:.2f} s |",
            f"| resident size before that | {startup.idle_megabytes:.0f} MB |",
            "",
        ]
    lines += [
        "| scenario | server | CPU µs | p50 ms | p99 ms | per s | errors | RSS MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for scenario, servers in table.items():
        for server, got in servers.items():
            lines.append(
                f"| {scenario} | {server} | {got.cpu_us:.1f} | {got.p50_ms:.2f} | {got.p99_ms:.2f} "
                f"| {got.per_second:,.0f} | {got.errors} | {got.rss_mb:.0f} |"
            )
    return "\n".join(lines)


def save(folder: Path, startup: Startup | None, table: Table) -> Path:
    """Write both forms under the time of day; returns the markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    found = {
        "machine": f"{platform.machine()} {platform.system()} Python {platform.python_version()}",
        "startup": msgspec.to_builtins(startup),
        "scenarios": msgspec.to_builtins(table),
    }
    (folder / f"{stem}.json").write_text(json.dumps(found, indent=1), "utf-8")
    path = folder / f"{stem}.md"
    path.write_text(markdown(startup, table) + "\n", "utf-8")
    return path
