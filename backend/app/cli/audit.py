"""`llm-platform audit`: what was done to a running platform, and by whom."""

import sys
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli.client import connected
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import show_json, show_table
from app.cli.times import moment

audit = typer.Typer(
    name="audit", help="What was done to a platform, and by whom.", no_args_is_help=True, rich_markup_mode=None
)

By = Annotated[str | None, typer.Option("--actor", help="Only what this principal did.")]
Did = Annotated[str | None, typer.Option("--action", help="key.create, or key. for all that was done to keys.")]
To = Annotated[str | None, typer.Option("--object", help="Only what was done to this, such as model:ollama/x.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="From then on, such as 2026-05-01.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")]


@audit.command("list")
def list_records(  # noqa: PLR0913, PLR0917 - a command has as many arguments as it has options
    actor: By = None,
    action: Did = None,
    object: To = None,
    since: Since = None,
    until: Until = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what was done last, the newest first."""
    from app.cli.answers import AuditPage

    query = _query(actor, action, object, since, until, limit=last)
    with connected(url, api_key) as platform:
        answer = platform.request("GET", f"/v1/audit?{query}")
        found = platform.shaped(answer, AuditPage).data
    if output is Output.JSON:
        show_json(answer)
        return
    show_table(
        ("TIME", "ACTOR", "ACTION", "OBJECT", "REQUEST", "BY"),
        ((_time(r.at), r.actor, r.action, r.object, r.request_id, r.front_end) for r in found),
        nothing="Nothing was done.",
    )


@audit.command()
def export(  # noqa: PLR0913, PLR0917 - as above
    format: Annotated[str, typer.Option(help="jsonl or csv.")] = "jsonl",
    actor: By = None,
    action: Did = None,
    object: To = None,
    since: Since = None,
    until: Until = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
) -> None:
    """Write everything that was done to standard output, the oldest first."""
    query = _query(actor, action, object, since, until, format=format)
    with connected(url, api_key) as platform:
        for piece in platform.content(f"/v1/audit/export?{query}"):
            sys.stdout.buffer.write(piece)


def _query(
    actor: str | None, action: str | None, object: str | None, since: str | None, until: str | None, **more: Any
) -> str:
    fields = {"actor": actor, "action": action, "object": object, **more}
    if since is not None:
        fields["since"] = moment(since, "--since")
    if until is not None:
        fields["until"] = moment(until, "--until")
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _time(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")
