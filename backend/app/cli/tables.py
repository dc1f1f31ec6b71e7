"""Answers for people: tables that are as wide as the terminal, or as their content where the output is a file."""

import json
import sys
import time
from collections.abc import Iterable, Sequence

import typer

from app.cli.client import printable

_UNBOUNDED = 10_000
_UNITS = ("B", "kB", "MB", "GB", "TB")


def show_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, nothing: str) -> None:
    """`nothing` is said instead of a table without rows. Cells are texts, or rich's own with a style."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    if not table.row_count:
        typer.echo(nothing)
        return
    Console(width=None if sys.stdout.isatty() else _UNBOUNDED).print(table)


def size(count: int | None) -> str:
    """4661224676 is "4.7 GB"."""
    if count is None:
        return ""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit and amount < 99.95 else f"{amount:.0f} {_UNITS[unit]}"


def ago(at: float | None) -> str:
    """A Unix time as the distance from now: "12 s ago", "in 5 s"; nothing for None."""
    if at is None:
        return ""
    distance = time.time() - at
    return f"{_span(distance)} ago" if distance >= 0 else f"in {_span(-distance)}"


def _span(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
