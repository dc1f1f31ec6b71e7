"""`llm-platform models`: the models of a running platform."""

from typing import TYPE_CHECKING

import typer

from app.cli import model_jobs
from app.cli.client import STREAM_SECONDS, connected, printable, quoted
from app.cli.model_jobs import Name
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import show_json, show_table, size

if TYPE_CHECKING:
    from app.cli.answers import Model

models = typer.Typer(
    name="models", help="The models of a running platform.", no_args_is_help=True, rich_markup_mode=None
)


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


models.command("pull")(model_jobs.pull)
models.command("jobs")(model_jobs.jobs)
models.command("cancel")(model_jobs.cancel)


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
