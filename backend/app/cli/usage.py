"""`llm-platform usage`: what was asked and what it cost."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli.client import PlatformClient, connected
from app.cli.options import DEFAULT_URL, KeyOption, UrlOption
from app.cli.tables import show_json, show_table

_FILTERS = ("principal", "key", "team", "model", "integration", "front_end")
_FIGURES = ("requests", "errors", "cancelled", "input_tokens", "output_tokens", "cached_tokens", "cost")


class UsageOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


By = Annotated[
    str,
    typer.Option(help="day, hour, principal, key, team, model, integration, front_end; with commas between."),
]
Since = Annotated[
    str | None, typer.Option("--from", help="A date, a time or Unix seconds; 30 days ago without it.")
]
Until = Annotated[str | None, typer.Option("--to", help="The same; now without it.")]
Where = Annotated[list[str] | None, typer.Option(help="What must hold, such as model=gpt-5; may be repeated.")]
OutputOption = Annotated[UsageOutput, typer.Option("--output", "-o", help="For people, programs or spreadsheets.")]


def usage(
    by: By = "model",
    since: Since = None,
    until: Until = None,
    where: Where = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = UsageOutput.TABLE,
) -> None:
    """Tell what was asked and what it cost: your own usage, or everybody's with an operator's key."""
    groups = [each.strip() for each in by.split(",") if each.strip()]
    asked = {"group_by": ",".join(groups), "from": since, "to": until, **dict(map(_condition, where or ()))}
    wanted = {name: value for name, value in asked.items() if value is not None}
    with connected(url, api_key) as platform:
        if output is UsageOutput.CSV:
            _write_csv(platform, {**wanted, "format": "csv"})
            return
        rows = list(_rows(platform, wanted))
    if output is UsageOutput.JSON:
        show_json(rows)
        return
    columns = (*groups, *_FIGURES)
    show_table(
        [name.upper().replace("_", " ") for name in columns],
        [[_cell(name, row.get(name)) for name in columns] for row in rows],
        nothing="Nothing was asked in that time.",
    )


def _condition(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise typer.BadParameter("expected a condition such as model=gpt-5", param_hint="--where")
    if name not in _FILTERS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(_FILTERS)}", param_hint="--where")
    return name, value


def _rows(platform: PlatformClient, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Of every page."""
    from app.cli.answers import Usage

    after: str | None = None
    while True:
        query = urlencode(asked if after is None else {**asked, "after": after})
        page = platform.shaped(platform.request("GET", f"/v1/usage?{query}"), Usage)
        yield from (row for row in page.data if row.get("requests"))
        after = page.next
        if after is None:
            return


def _write_csv(platform: PlatformClient, asked: dict[str, str]) -> None:
    """Every page to standard output, below the first one's head."""
    after: str | None = None
    while True:
        query = urlencode(asked if after is None else {**asked, "after": after})
        page, following = platform.csv_page(f"/v1/usage?{query}")
        sys.stdout.buffer.write(page if after is None else page.partition(b"\r\n")[2])
        after = following
        if after is None:
            return


def _cell(name: str, value: object) -> str:
    return f"${value:.6f}" if name == "cost" and isinstance(value, int | float) else str(value)
