"""`llm-platform integrations`: the state of a running platform's integrations."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.client import STREAM_SECONDS, connected, printable, quoted
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption, fail
from app.cli.tables import ago, show_json, show_table

if TYPE_CHECKING:
    from rich.text import Text

    from app.cli.answers import Check, Integration

integrations = typer.Typer(
    name="integrations", help="The integrations of a running platform.", rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="An integration's name.")]

_STYLES: Mapping[str, str] = {"ready": "green", "degraded": "yellow", "retrying": "yellow", "failed": "red"}


@integrations.callback(invoke_without_command=True)
def _by_default(
    context: typer.Context,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """The integrations of a running platform; without a command, `list`."""
    if context.invoked_subcommand is None:
        list_integrations(url, api_key, output)


@integrations.command("list")
def list_integrations(
    url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show every integration with its state and the reason."""
    from app.cli.answers import Integrations

    with connected(url, api_key) as platform:
        answer = platform.request("GET", "/integrations/status")
        found = platform.shaped(answer, Integrations).integrations
    if output is Output.JSON:
        show_json(answer)
    else:
        _show(found)


@integrations.command()
def status(
    name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show one integration with all that is known of it."""
    from app.cli.answers import Integration

    with connected(url, api_key) as platform:
        answer = platform.request("GET", f"/integrations/{quoted(name)}/status")
        found = platform.shaped(answer, Integration)
    if output is Output.JSON:
        show_json(answer)
    else:
        show_table(("FIELD", "VALUE"), _fields(found), nothing="")


@integrations.command()
def restart(name: Name, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Stop an integration and start it anew."""
    from app.cli.answers import Integration

    with connected(url, api_key) as platform:
        answer = platform.request("POST", f"/integrations/{quoted(name)}/restart", seconds=STREAM_SECONDS)
        found = platform.shaped(answer, Integration)
    if found.state == "failed":
        fail(f"{printable(name)} has failed: {printable(found.reason)}")
    typer.echo(f"{printable(name)} is {printable(found.state)}.")


def _show(found: "list[Integration]") -> None:
    show_table(
        ("INTEGRATION", "STATE", "SINCE", "NEXT TRY", "LAST CHECK", "REASON"),
        (
            (
                each.name,
                _state(each.state),
                ago(each.since),
                ago(each.next_retry_at),
                _check(each.last_check),
                each.reason,
            )
            for each in found
        ),
        nothing="No integrations are configured.",
    )


def _state(state: str) -> "Text":
    from rich.text import Text

    return Text(printable(state), style=_STYLES.get(state, ""))


def _check(check: "Check | None") -> str:
    if check is None:
        return ""
    return f"{'ok' if check.ok else 'bad'}, {check.latency_ms:.0f} ms, {ago(check.at)}"


def _fields(found: "Integration") -> list[tuple[str, object]]:
    return [
        ("name", found.name),
        ("type", found.type),
        ("kind", found.kind),
        ("state", _state(found.state)),
        ("reason", found.reason),
        ("since", ago(found.since)),
        ("failed tries", found.attempts),
        ("next try", ago(found.next_retry_at)),
        ("priority", "" if found.priority is None else found.priority),
        ("needs", ", ".join(found.dependencies)),
        ("needed by", ", ".join(found.dependents)),
        ("last check", _check(found.last_check)),
        ("it said", found.last_check.message if found.last_check else ""),
        *_details(found.last_check.details if found.last_check else {}),
    ]


def _details(details: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """A row each; one for each entry of what has entries, such as the files that can't be used."""
    for name, value in details.items():
        if isinstance(value, dict):
            yield from ((name, f"{key}: {_told(each)}") for key, each in value.items())
        else:
            yield name, _told(value)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
