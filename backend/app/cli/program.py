"""The commands together."""

from typing import Annotated

import typer

from app.cli.audit import audit
from app.cli.budgets import budgets
from app.cli.config import config
from app.cli.explain import explain
from app.cli.integrations import integrations
from app.cli.keys import keys
from app.cli.models import models
from app.cli.serve import serve
from app.cli.tiers import tiers
from app.cli.usage import usage

program = typer.Typer(
    name="llm-platform",
    help="One gateway for every model and every protocol.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@program.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@program.command()
def version() -> None:
    """Show the version."""
    from app import __version__

    typer.echo(f"llm-platform {__version__}")


program.command()(serve)
program.command()(explain)
program.command()(usage)
program.add_typer(models)
program.add_typer(integrations)
program.add_typer(keys)
program.add_typer(tiers)
program.add_typer(budgets)
program.add_typer(audit)
program.add_typer(config)
