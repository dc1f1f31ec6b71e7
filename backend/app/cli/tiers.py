"""`llm-platform tiers`: those of the configuration, and those of others."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import ConfigOption, Output, OutputOption, fail
from app.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from app.settings import Settings

tiers = typer.Typer(
    name="tiers",
    help="Show the tiers, and exchange them with other systems.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@tiers.command("list")
def list_tiers(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the tiers of the configuration."""
    settings = _settings(config)
    found = {name: tier.model_dump() for name, tier in settings.tiers.items()}
    if output is Output.JSON:
        show_json({"tiers": found, "default_tier": settings.default_tier})
        return
    rows = [
        (
            name + (" (default)" if name == settings.default_tier else ""),
            str(tier.level),
            ", ".join(tier.groups),
            "; ".join(f"{rate.limit} {rate.unit} / {rate.window:g} s" for rate in tier.rates),
        )
        for name, tier in settings.tiers.items()
    ]
    show_table(("TIER", "LEVEL", "GROUPS", "LIMITS"), rows, nothing="There are no tiers: nobody is limited.")


@tiers.command("import")
def import_tiers(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML; - is the standard input.")],
    origin: Annotated[Literal["maas"], typer.Option("--from", help="Who wrote them.")] = "maas",
) -> None:
    """Print tiers of Models-as-a-Service in the platform's own format: the ConfigMap tier-to-group-mapping, with
    the RateLimitPolicy and TokenRateLimitPolicy where they are given too.
    """
    from app.settings.tier_formats.maas import NotTiers, as_settings

    try:
        typer.echo(as_settings([_read(file) for file in files]), nl=False)
    except (OSError, UnicodeDecodeError, NotTiers) as error:
        fail(f"The tiers can't be read: {error}")


@tiers.command("export")
def export_tiers(
    config: ConfigOption = None,
    to: Annotated[Literal["kuadrant"], typer.Option("--to", help="Who is to read them.")] = "kuadrant",
    gateway: Annotated[str, typer.Option(help="The Gateway that they are for.")] = "maas-default-gateway",
    namespace: Annotated[str, typer.Option(help="Where it is.")] = "openshift-ingress",
) -> None:
    """Print the tiers as a RateLimitPolicy and a TokenRateLimitPolicy of Kuadrant."""
    from app.settings.tier_formats.kuadrant import Place, as_policies

    typer.echo(as_policies(_settings(config).tiers, Place(gateway, namespace)), nl=False)


def _settings(config: Path | None) -> "Settings":
    from app.settings import ConfigError, load_settings

    try:
        return load_settings(config, os.environ, {}).settings
    except ConfigError as error:
        fail(str(error))


def _read(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
