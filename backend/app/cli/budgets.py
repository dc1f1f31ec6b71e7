"""`llm-platform budgets`: those of a running platform, and what is left of them."""

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.client import connected, printable, segment
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import ago, show_json, show_table

if TYPE_CHECKING:
    from app.cli.answers import Budget

budgets = typer.Typer(name="budgets", help="Money that may be spent.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The name of a budget.")]


@budgets.command("list")
def list_budgets(
    url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show budgets and what is left of them: those of your key, or all with an operator's."""
    from app.cli.answers import Budgets

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/v1/budgets")
        found = platform.shaped(answer, Budgets).data
    if output is Output.JSON:
        show_json({"budgets": answer["data"]})
        return
    columns = ("BUDGET", "WHOSE", "USD", "PER", "SPENT", "REMAINING", "RESETS", "DEFINED IN")
    show_table(columns, (row for each in found for row in _rows(each)), nothing="No budgets.")
    if not all(each.complete for each in found):
        typer.echo("What was spent before the platform's start is not known yet: ask again in a moment.", err=True)


@budgets.command("set")
def set_budget(  # noqa: PLR0913, PLR0917 - a command has as many arguments as it has options
    name: Name,
    usd: Annotated[float, typer.Option(help="US dollars.")],
    per: Annotated[
        Literal["day", "month", "total"], typer.Option(help="By UTC; total: once and for all.")
    ] = "month",
    key: Annotated[str | None, typer.Option(help="The key whose it is, by its id, with all below it.")] = None,
    team: Annotated[str | None, typer.Option(help="The team whose it is.")] = None,
    each: Annotated[
        Literal["key", "team"] | None, typer.Option(help="Every key, or every team, has this much.")
    ] = None,
    alert_at: Annotated[float, typer.Option(help="The part of it that the log tells of once it is spent.")] = 0.8,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
) -> None:
    """Set a budget: the platform's, unless --key, --team or --each says whose. It counts within seconds."""
    if not isfinite(usd) or not isfinite(alert_at):
        raise typer.BadParameter("expected a number such as 250 or 0.8", param_hint="--usd, --alert-at")
    wanted = {"usd": usd, "per": per, "key": key, "team": team, "each": each, "alert_at": alert_at}
    with connected(url, api_key) as platform:
        platform.request("PUT", f"/v1/budgets/{segment(name)}", wanted)
    typer.echo(f"The budget {printable(name)} is set.")


@budgets.command("rm")
def delete_budget(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Delete a budget. What was spent stays known."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", f"/v1/budgets/{segment(name)}")
    typer.echo(f"The budget {printable(name)} is deleted.")


def _rows(budget: "Budget") -> Iterator[tuple[str, ...]]:
    """One for whoever has it; where each key or team has one and none has spent anything, one all the same."""
    from app.domain.prices import dollars

    kind = budget.each or ("key" if budget.key else "team" if budget.team else "platform")
    first, last = (budget.name,), (ago(budget.resets_at) or "never", budget.defined_at or budget.defined_in)
    for holder in budget.holders:
        whose = f"{kind} {holder.id}" if holder.id else kind
        spent, remaining = f"{holder.spent:.4f}", f"{holder.remaining:.4f}"
        yield (*first, whose, dollars(budget.usd), budget.per, spent, remaining, *last)
    if not budget.holders:
        yield (*first, f"each {kind}", dollars(budget.usd), budget.per, "", "", *last)
