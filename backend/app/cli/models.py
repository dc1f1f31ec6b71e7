"""`llm-platform models`: the models of a running platform."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.client import STREAM_SECONDS, Refused, connected, printable, quoted
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import show_json, show_table, size

if TYPE_CHECKING:
    from app.cli.answers import Model

models = typer.Typer(
    name="models", help="The models of a running platform.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="A model, or integration/model.")]


@models.command("list")
def list_models(
    url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show every model and what is known of it."""
    from app.cli.answers import Models

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/models")
        found = platform.shaped(answer, Models).models
    if output is Output.JSON:
        show_json(answer)
        return
    show_table(
        ("MODEL", "INTEGRATION", "CAN", "CONTEXT", "SIZE", "LOADED", "$ IN / OUT"),
        (_row(model) for model in found),
        nothing="No models. Pull one with `llm-platform models pull NAME`, or configure an integration.",
    )


def _row(model: "Model") -> tuple[str, ...]:
    return (
        model.id,
        model.provider if model.available else f"{model.provider} (not available)",
        ", ".join(sorted(model.capabilities)),
        str(model.context_window or ""),
        size(model.size_bytes),
        "" if model.loaded is None else "yes" if model.loaded else "no",
        "" if model.price is None else f"{model.price.input:g} / {model.price.output:g}",
    )


@models.command()
def pull(
    name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Fetch a model, with its progress."""
    with connected(url, api_key) as platform:
        steps = _checked(platform.events("/models/pull", {"model": name}))
        if output is Output.JSON:
            for step in steps:
                typer.echo(json.dumps(step))
        else:
            _show_progress(name, steps)


def _checked(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Raises Refused at an error, and where the events end before the model is there."""
    done = False
    for event in events:
        if error := event.get("error"):
            raise Refused(printable(error["message"] if isinstance(error, dict) and "message" in error else error))
        done = event.get("status") == "success"
        yield event
    if not done:
        raise Refused("The connection ended before the model was there. Pull again: what was fetched is kept.")


def _show_progress(name: str, steps: Iterator[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    first = next(steps)  # a refusal comes before any bar
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console()) as progress:
        bar = progress.add_task("asking", total=None)
        for step in chain([first], steps):
            progress.update(
                bar,
                description=printable(step.get("status", "")),
                completed=step.get("completed_bytes") or 0,
                total=step.get("total_bytes"),
            )
        progress.remove_task(bar)
    typer.echo(f"{printable(name)} is here.")


@models.command()
def rm(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Delete a model from its store."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", f"/models/{quoted(name)}")
    typer.echo(f"{printable(name)} is deleted.")


@models.command()
def load(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Bring a model into memory."""
    with connected(url, api_key) as platform:
        platform.request("POST", "/models/load", {"model": name}, seconds=STREAM_SECONDS)
    typer.echo(f"{printable(name)} is loaded.")


@models.command()
def unload(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Let a model go from memory."""
    with connected(url, api_key) as platform:
        platform.request("POST", "/models/unload", {"model": name}, seconds=STREAM_SECONDS)
    typer.echo(f"{printable(name)} is unloaded.")
