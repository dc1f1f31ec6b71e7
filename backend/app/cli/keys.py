"""`llm-platform keys`: the virtual keys of a running platform."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli.client import PlatformClient, connected, printable, segment
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import ago, show_json, show_table
from app.cli.times import duration

if TYPE_CHECKING:
    from app.cli.answers import Key

keys = typer.Typer(
    name="keys", help="The keys that callers of a platform show.", no_args_is_help=True, rich_markup_mode=None
)

PAGE = 200

Id = Annotated[str, typer.Argument(help="The id of a key, as `keys list` shows it.")]
Name = Annotated[str | None, typer.Option(help="What it is for.")]
Owner = Annotated[str | None, typer.Option(help="Whose it is.")]
Team = Annotated[str | None, typer.Option(help="The team that it belongs to.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group that it is in; may be repeated.")]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="A model that it is good for, or a pattern with *; repeatable.")
]
Roles = Annotated[
    list[str] | None, typer.Option("--role", help="viewer, user, operator or admin; may be repeated.")
]
Tier = Annotated[str | None, typer.Option(help="The limits that hold for it, by name.")]
Parent = Annotated[str | None, typer.Option(help="The id of the key whose scope bounds it.")]
Expires = Annotated[
    str | None, typer.Option("--expires-in", metavar="TIME", help="How long it is good, such as 12h or 90d.")
]
Metadata = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be repeated.")]
Clear = Annotated[
    list[str] | None, typer.Option(help="Take away: team, groups, models, tier, expires_at or metadata.")
]
Overlap = Annotated[str, typer.Option(metavar="TIME", help="How long the old text goes on being good.")]

_NOTHING: dict[str, object] = {
    **dict.fromkeys(("team", "tier", "expires_at")),
    **{"groups": [], "models": [], "metadata": {}},
}


@keys.command()
def create(  # noqa: PLR0913, PLR0917 - a command has as many arguments as it has options
    name: Name = None,
    owner: Owner = None,
    team: Team = None,
    groups: Groups = None,
    models: Models = None,
    roles: Roles = None,
    tier: Tier = None,
    parent: Parent = None,
    metadata: Metadata = None,
    expires_in: Expires = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Issue a key. It is shown this once."""
    fields = _given(
        name=name, owner=owner, team=team, groups=groups, models=models, roles=roles, tier=tier, parent=parent
    )
    if metadata:
        fields["metadata"] = _pairs(metadata)
    if expires_in is not None:
        fields["expires_in"] = duration(expires_in, "--expires-in")
    with connected(url, api_key) as platform:
        _show_issued(platform, platform.request("POST", "/v1/keys", fields), output)


@keys.command("list")
def list_keys(
    owner: Owner = None,
    team: Team = None,
    status: Annotated[str | None, typer.Option(help="active, expired or revoked.")] = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show keys, the newest first."""
    with connected(url, api_key) as platform:
        found = list(_all(platform, _given(owner=owner, team=team, status=status)))
        shown = [_key(platform, each) for each in found]
    if output is Output.JSON:
        show_json({"keys": found})
        return
    show_table(
        ("ID", "NAME", "KEY", "OWNER", "TEAM", "ROLES", "MODELS", "TIER", "STATUS", "EXPIRES", "LAST USED"),
        (_row(key) for key in shown),
        nothing="No keys. Issue one with `llm-platform keys create`.",
    )


@keys.command()
def show(
    id: Id, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Show one key with all that is known of it."""
    with connected(url, api_key) as platform:
        _show(platform, platform.request("GET", _path(id)), output)


@keys.command()
def update(  # noqa: PLR0913, PLR0917 - as above
    id: Id,
    name: Name = None,
    owner: Owner = None,
    team: Team = None,
    groups: Groups = None,
    models: Models = None,
    roles: Roles = None,
    tier: Tier = None,
    metadata: Metadata = None,
    expires_in: Expires = None,
    clear: Clear = None,
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change a key. What is not named stays as it is; a list is replaced whole."""
    import time

    fields = _given(name=name, owner=owner, team=team, groups=groups, models=models, roles=roles, tier=tier)
    if metadata:
        fields["metadata"] = _pairs(metadata)
    if expires_in is not None:
        fields["expires_at"] = time.time() + duration(expires_in, "--expires-in")
    for field in clear or ():
        if field not in _NOTHING:
            raise typer.BadParameter(f"{field!r} can't be taken away", param_hint="--clear")
        fields[field] = _NOTHING[field]
    with connected(url, api_key) as platform:
        _show(platform, platform.request("PATCH", _path(id), fields), output)


@keys.command()
def rotate(
    id: Id,
    overlap: Overlap = "1h",
    url: UrlOption = DEFAULT_URL,
    api_key: KeyOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a key a new text, which is shown this once. It stays the same key otherwise."""
    with connected(url, api_key) as platform:
        body = {"overlap": duration(overlap, "--overlap")}
        _show_issued(platform, platform.request("POST", f"{_path(id)}/rotate", body), output)


@keys.command()
def revoke(id: Id, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Revoke a key, and all that were issued with it, for good."""
    with connected(url, api_key) as platform:
        platform.request("POST", f"{_path(id)}/revoke")
    typer.echo(f"{printable(id)} is revoked.")


@keys.command()
def delete(id: Id, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None) -> None:
    """Delete a key that has no good ones below it."""
    with connected(url, api_key) as platform:
        platform.request("DELETE", _path(id))
    typer.echo(f"{printable(id)} is deleted.")


def _given(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [])}


def _pairs(metadata: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in metadata]
    if not all(name and sign for name, sign, _ in pairs):
        raise typer.BadParameter("write it as NAME=VALUE", param_hint="--metadata")
    return {name: value for name, _, value in pairs}


def _path(id: str) -> str:
    return f"/v1/keys/{segment(id)}"


def _all(platform: PlatformClient, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Page after page."""
    after: dict[str, str] = {}
    while True:
        query = urlencode({**wanted, "limit": PAGE, **after})
        page = platform.request("GET", f"/v1/keys?{query}")
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"after": page["last_id"]}


def _key(platform: PlatformClient, answer: object) -> "Key":
    from app.cli.answers import Key

    return platform.shaped(answer, Key)


def _show_issued(platform: PlatformClient, answer: dict[str, Any], output: Output) -> None:
    """The text alone on standard output, so that a script can take it from there."""
    key = _key(platform, answer)
    if output is Output.JSON:
        show_json(answer)
        return
    typer.echo(f"The key {key.id} is shown this once; keep it safe:", err=True)
    sys.stdout.write(f"{printable(key.key)}\n")


def _show(platform: PlatformClient, answer: object, output: Output) -> None:
    key = _key(platform, answer)
    if output is Output.JSON:
        show_json(answer)
    else:
        show_table(("FIELD", "VALUE"), _fields(key), nothing="")


def _fields(key: "Key") -> Sequence[tuple[str, str]]:
    return [
        ("id", key.id),
        ("name", key.name),
        ("key", key.hint),
        ("status", key.status),
        ("owner", key.owner),
        ("team", key.team or ""),
        ("groups", ", ".join(key.groups)),
        ("roles", ", ".join(key.roles)),
        ("models", ", ".join(key.models) or "all"),
        ("tier", key.tier or ""),
        ("parent", key.parent or ""),
        ("metadata", ", ".join(f"{name}={value}" for name, value in key.metadata.items())),
        ("created", f"{ago(key.created_at)} by {key.created_by}"),
        ("expires", ago(key.expires_at) or "never"),
        ("revoked", ago(key.revoked_at)),
        ("last used", ago(key.last_used_at) or "never"),
    ]


def _row(key: "Key") -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        key.hint,
        key.owner,
        key.team or "",
        ", ".join(key.roles),
        ", ".join(key.models) or "all",
        key.tier or "",
        key.status,
        ago(key.expires_at) or "never",
        ago(key.last_used_at) or "never",
    )
