"""`llm-platform models search`, `pull`, `jobs` and `cancel`. A pull goes on in the platform whoever watches it."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.cli.client import PlatformClient, Refused, connected, printable, segment
from app.cli.options import DEFAULT_URL, INTERRUPTED, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import ago, show_json, show_table, size

if TYPE_CHECKING:
    from app.cli.answers import Job

SEARCH_SECONDS = 60.0

Name = Annotated[str, typer.Argument(help="A model, or integration/model.")]


def search(
    query: Annotated[str, typer.Argument(help="A part of the model's name.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, at most.")] = 20,
    author: Annotated[str | None, typer.Option(help="Whose models.", show_default=False)] = None,
    tags: Annotated[str | None, typer.Option(help="All of these, with commas.", show_default=False)] = "gguf",
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find models that may be pulled: by default those that have GGUF files, which run as they are."""
    from urllib.parse import urlencode

    from app.cli.answers import FoundModels

    asked = {"q": query, "limit": limit, "author": author, "tags": tags}
    wanted = urlencode({name: value for name, value in asked.items() if value})
    with connected(url, api_key) as platform:
        answer = platform.request("GET", f"/models/search?{wanted}", seconds=SEARCH_SECONDS)
        found = platform.shaped(answer, FoundModels).models
    if output is Output.JSON:
        show_json(answer)
        return
    show_table(
        ("NAME", "FOR", "FORMATS", "PARAMETERS", "CONTEXT", "LICENCE", "DOWNLOADS", "UPDATED"),
        (
            (
                f"{model.name} (gated)" if model.gated else model.name,
                model.task or "",
                ", ".join(model.formats),
                "" if model.parameters is None else f"{model.parameters / 1e9:.1f} B",
                str(model.context_window or ""),
                model.license or "",
                "" if model.downloads is None else f"{model.downloads:,}",
                ago(model.updated),
            )
            for model in found
        ),
        nothing="Nothing was found. `--tags ''` looks for models of every format.",
    )


def pull(
    name: Annotated[str, typer.Argument(help="hf:ORG/REPO, hf:ORG/REPO:FILE, or a model of Ollama's.")],
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fetch a model, with its progress. Ctrl+C leaves it to the platform."""
    with connected(url, api_key) as platform:
        job = _follow(_states(platform, "/models/pull", name), output)
    if output is Output.TABLE:
        for taken in filter(None, [job.details.files and ", ".join(job.details.files), job.details.why]):
            typer.echo(printable(taken))
        typer.echo(f"{printable(name)} is here.")


def load(
    name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Bring a model into memory, with its progress. Ctrl+C leaves it to the platform."""
    with connected(url, api_key) as platform:
        _follow(_states(platform, "/models/load", name), output)
    if output is Output.TABLE:
        typer.echo(f"{printable(name)} is loaded.")


def _follow(states: Iterator[tuple["Job", object]], output: Output) -> "Job":
    """The job as it was last."""
    first = next(states)
    every = chain([first], states)
    try:
        return _show_progress(every) if output is Output.TABLE else _print(every)
    except KeyboardInterrupt:
        _leave(first[0])


def _states(platform: PlatformClient, path: str, name: str) -> Iterator[tuple["Job", object]]:
    """The job again and again, and as it came. Raises Refused where it failed, or is left before its end."""
    from app.cli.answers import Job

    job = None
    for event in platform.events(path, {"model": name, "stream": True}):
        job = platform.shaped(event, Job)
        yield job, event
    if job is None:
        raise Refused(f"{platform.url} does not answer as an LLM platform does.")
    if job.state == "cancelled":
        kept = " What was fetched is kept for the next pull." if job.kind == "pull" else ""
        raise Refused(f"It was cancelled.{kept}")
    if job.state == "failed":
        raise Refused(printable(job.error))
    if job.state != "done":
        raise Refused(
            "The connection ended; the platform goes on. `llm-platform models jobs` shows how far it is."
        )


def _leave(job: "Job") -> NoReturn:
    typer.echo(
        f"The platform goes on with it. `llm-platform models jobs` shows how far it is, "
        f"`llm-platform models cancel {printable(job.id)}` stops it.",
        err=True,
    )
    raise typer.Exit(INTERRUPTED)


def _print(states: Iterator[tuple["Job", object]]) -> "Job":
    for job, event in states:
        typer.echo(json.dumps(event))
        last = job
    return last


def _show_progress(states: Iterator[tuple["Job", object]]) -> "Job":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console()) as progress:
        bar = progress.add_task("", total=None)
        try:
            for job, _ in states:
                done = job.completed_bytes or 0
                progress.update(bar, description=printable(_doing(job)), completed=done, total=job.total_bytes)
                last = job
        finally:
            progress.remove_task(bar)  # what became of it is told below, whole
    return last


def jobs(url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show what is being fetched and loaded, and what was."""
    from app.cli.answers import Jobs

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/models/jobs")
        found = platform.shaped(answer, Jobs).jobs
    if output is Output.JSON:
        show_json(answer)
        return
    show_table(
        ("JOB", "DOES", "MODEL", "STATE", "", "OF", "BEGUN"),
        (
            (
                job.id,
                job.kind,
                f"{job.integration}/{job.model}",
                _doing(job),
                size(job.completed_bytes),
                size(job.total_bytes),
                ago(job.created_at),
            )
            for job in found
        ),
        nothing="No jobs. `llm-platform models pull NAME` begins one.",
    )


def cancel(
    id: Annotated[str, typer.Argument(help="The job, as `models jobs` shows it.")],
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
) -> None:
    """Stop a job. What was fetched is kept for the next pull."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", f"/models/jobs/{segment(id)}")
    typer.echo(f"{printable(id)} is cancelled.")


def _doing(job: "Job") -> str:
    return job.error if job.error else job.step if job.state == "running" and job.step else job.state
