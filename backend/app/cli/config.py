"""`llm-platform config`: is the configuration right, and where does each value come from."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import ConfigOption, ExitCode, Output, OutputOption, fail
from app.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from app.settings import LoadedSettings, Origin

config = typer.Typer(
    name="config", help="Check and explain the configuration.", no_args_is_help=True, rich_markup_mode=None
)


@config.command()
def check(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Check the file, the environment and each integration's settings, without starting anything."""
    import asyncio

    from app.checks import doubts, problems_with
    from app.settings import ConfigError, load_settings

    try:
        loaded = load_settings(config, os.environ, {})
        problems = asyncio.run(problems_with(loaded))
        warnings = (*loaded.warnings, *map(str, doubts(loaded)))
    except ConfigError as error:
        problems, warnings = list(error.problems), error.warnings
    if output is Output.JSON:
        show_json(
            {
                "valid": not problems,
                "problems": [problem._asdict() for problem in problems],
                "warnings": list(warnings),
            }
        )
        raise typer.Exit(ExitCode.FAILED if problems else ExitCode.OK)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    if problems:
        fail("\n".join(map(str, problems)))
    typer.echo(f"{loaded.file or 'The environment (there is no file)'} is valid.")


@config.command()
def explain(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show every setting with its value and where that comes from. Secrets are hidden."""
    from app.settings import ConfigError, load_settings
    from app.settings.explain import explain as explain_settings

    try:
        loaded = load_settings(config, os.environ, {})
    except ConfigError as error:
        fail(str(error))
    rows = explain_settings(loaded)
    if output is Output.JSON:
        show_json(_as_json(loaded, [(row.field, row.value, row.origin) for row in rows]))
        return
    show_table(
        ("SETTING", "VALUE", "FROM"),
        ((row.field, _text(row.value), row.origin.where or row.origin.source) for row in rows),
        nothing="",
    )


@config.command("import-litellm")
def import_litellm(file: Annotated[Path, typer.Argument(metavar="FILE", help="LiteLLM's config.yaml.")]) -> None:
    """Print a LiteLLM proxy's configuration in the platform's own format, without its secrets."""
    from app.settings import ConfigError
    from app.settings.litellm.export import in_our_format

    try:
        text = in_our_format(file, os.environ)
    except ConfigError as error:
        fail(str(error))
    typer.echo(text, nl=False)


def _as_json(loaded: "LoadedSettings", rows: "list[tuple[str, Any, Origin]]") -> dict[str, Any]:
    return {
        "file": str(loaded.file) if loaded.file else None,
        "settings": [
            {"field": field, "value": value, "source": origin.source, "where": origin.where or None}
            for field, value, origin in rows
        ],
    }


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "none"
    if isinstance(value, dict):
        return _target(value) if "target" in value else _fields(value)
    return str(value)


def _fields(value: dict[str, Any]) -> str:
    """A model reads like its short form: its targets, then what else was set."""
    rest = [f"{name}: {_text(each)}" for name, each in value.items() if name != "targets"]
    return "; ".join([*([_text(value["targets"])] if "targets" in value else []), *rest]) or "none"


def _target(target: dict[str, Any]) -> str:
    notes = [f"{name} {value:g}" for name, value in target.items() if name != "target"]
    return f"{target['target']} ({', '.join(notes)})" if notes else str(target["target"])
