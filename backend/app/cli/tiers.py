"""`llm-platform tiers`: those of a running platform, of a configuration, and of others."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.client import connected, printable, segment
from app.cli.options import DEFAULT_URL, ConfigOption, KeyOption, Output, OutputOption, UrlOption, fail
from app.cli.tables import show_json, show_table
from app.cli.times import duration

if TYPE_CHECKING:
    from app.cli.answers import Rate
    from app.settings import Settings

tiers = typer.Typer(
    name="tiers",
    help="Show and set the tiers, and exchange them with other systems.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


Name = Annotated[str, typer.Argument(help="The name of a tier.")]

_RATE = re.compile(r"([a-z_]+)=(\d+)(?:/(\w[\w.]*))?")


@tiers.command("list")
def list_tiers(
    file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")] = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the tiers of a running platform; with --config those of a configuration file."""
    from app.cli.answers import Tiers

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/v1/tiers") if file is None else {"data": list(_of_file(file))}
        found = platform.shaped(answer, Tiers).data
    if output is Output.JSON:
        show_json({"tiers": answer["data"]})
        return
    rows = [
        (
            tier.name + (" (default)" if tier.default else ""),
            str(tier.level),
            ", ".join(tier.groups),
            ", ".join(tier.models) or "all",
            "; ".join(_limit(rate) for rate in tier.rates) or "none",
            tier.defined_at or tier.defined_in,
        )
        for tier in found
    ]
    columns = ("TIER", "LEVEL", "GROUPS", "MODELS", "LIMITS", "DEFINED IN")
    show_table(columns, rows, nothing="There are no tiers: nobody is limited.")


@tiers.command("set")
def set_tier(  # noqa: PLR0913, PLR0917 - a command has as many arguments as it has options
    name: Name,
    level: Annotated[int, typer.Option(help="Of several that a caller has groups of, the highest counts.")] = 0,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="A group whose members are in it; may be repeated.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model that they may use, or a pattern; may be repeated.")
    ] = None,
    rates: Annotated[
        list[str] | None,
        typer.Option("--rate", metavar="UNIT=LIMIT[/TIME]", help="Such as tokens=200000/1d; may be repeated."),
    ] = None,
    priority: Annotated[int, typer.Option(help="Where requests wait, those of a higher one go first.")] = 0,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
) -> None:
    """Set a tier, whole: what is not said is as if it had never been. It counts within seconds.

    Units are requests, tokens, input_tokens, output_tokens and concurrent; without a time it is a minute.
    """
    wanted = {"level": level, "groups": groups or [], "models": models or [], "priority": priority}
    body = {**wanted, "description": description, "rates": [_rate(each) for each in rates or ()]}
    with connected(url, api_key) as platform:
        platform.request("PUT", f"/v1/tiers/{segment(name)}", body)
    typer.echo(f"The tier {printable(name)} is set.")


@tiers.command("rm")
def delete_tier(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Delete a tier that no key names."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", f"/v1/tiers/{segment(name)}")
    typer.echo(f"The tier {printable(name)} is deleted.")


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

    found = _settings(config).tiers
    if not found:
        typer.echo("There are no tiers in the configuration: nothing to export.", err=True)
        return
    typer.echo(as_policies(found, Place(gateway, namespace)), nl=False)


def _of_file(config: Path) -> Iterator[dict[str, Any]]:
    settings = _settings(config)
    for name, tier in settings.tiers.items():
        told = {**tier.model_dump(mode="json"), "name": name, "default": name == settings.default_tier}
        yield {**told, "defined_in": "configuration", "defined_at": str(config)}


def _limit(rate: "Rate") -> str:
    from app.domain.limits import span

    unit = rate.unit.removesuffix("s") if rate.limit == 1 else rate.unit
    return f"{rate.limit:,} {unit}" + ("" if rate.unit == "concurrent" else f" in {span(rate.window)}")


def _rate(text: str) -> dict[str, Any]:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no limit such as tokens=200000/1d", param_hint="--rate")
    window = {"window": duration(match[3], "--rate")} if match[3] else {}
    return {"unit": match[1], "limit": int(match[2]), **window}


def _settings(config: Path | None) -> "Settings":
    from app.settings import ConfigError, load_settings

    try:
        return load_settings(config, os.environ, {}).settings
    except ConfigError as error:
        fail(str(error))


def _read(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
