"""`llm-platform models`: the models of a running platform."""

from typing import TYPE_CHECKING

import typer

from app.cli import model_jobs
from app.cli.client import STREAM_SECONDS, connected, printable, quoted
from app.cli.model_jobs import Name
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import ago, show_json, show_table, size

if TYPE_CHECKING:
    from app.cli.answers import Model, Resident

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


models.command("search")(model_jobs.search)
models.command("pull")(model_jobs.pull)
models.command("load")(model_jobs.load)
models.command("jobs")(model_jobs.jobs)
models.command("cancel")(model_jobs.cancel)


@models.command()
def rm(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Delete a model from its store."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", f"/models/{quoted(name)}")
    typer.echo(f"{printable(name)} is deleted.")


@models.command()
def unload(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Let a model go from memory."""
    with connected(url, api_key) as platform:
        platform.request("POST", "/models/unload", {"model": name}, seconds=STREAM_SECONDS)
    typer.echo(f"{printable(name)} is unloaded.")


@models.command()
def pin(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Load a model, and keep it in memory until it is unpinned or the platform ends."""
    with connected(url, api_key) as platform:
        platform.request("POST", "/models/pin", {"model": name}, seconds=STREAM_SECONDS)
    typer.echo(f"{printable(name)} is pinned.")


@models.command()
def unpin(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Let a model make room for others again."""
    with connected(url, api_key) as platform:
        platform.request("POST", "/models/unpin", {"model": name})
    typer.echo(f"{printable(name)} makes room again.")


@models.command()
def ps(url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show what is in memory, and what is on its way there."""
    from app.cli.answers import Models

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/models")
        found = platform.shaped(answer, Models).models
    if output is Output.JSON:
        show_json({"models": [model for model in answer["models"] if model.get("residents")]})
        return
    # Several names may mean one model.
    there = {(model.provider, model.model or model.id): model for model in found if model.residents}
    show_table(
        ("MODEL", "STATE", "FOR", "MEMORY", "WHERE", "SINCE", "USED", "USERS", "UNTIL"),
        (
            _resident(f"{provider}/{name}", each)
            for (provider, name), model in there.items()
            for each in model.residents
        ),
        nothing="No model is in memory, as far as the integrations tell.",
    )


def _resident(name: str, each: "Resident") -> tuple[str, ...]:
    doing = each.status if each.fraction is None else f"{each.stage} {each.fraction:.0%}"
    until = "pinned" if each.pinned else "" if each.expires is None else ago(each.expires)
    return (
        name,
        doing,
        each.mode or "",
        size(each.memory_bytes),
        each.location or "",
        ago(each.since),
        ago(each.last_used),
        "" if each.users is None else str(each.users),
        until,
    )
