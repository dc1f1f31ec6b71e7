"""Options that several commands share, and the exit codes."""

from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

DEFAULT_URL = "http://127.0.0.1:8000"


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3


INTERRUPTED = 130
"""As shells have it for Ctrl+C."""


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file; ./llm-platform.yaml is used if it exists."),
]
UrlOption = Annotated[str, typer.Option("--url", envvar="LLM_PLATFORM_URL", help="Where the platform answers.")]
KeyOption = Annotated[
    str | None,
    typer.Option("--api-key", envvar="LLM_PLATFORM_API_KEY", show_default=False, help="The platform's key."),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]


def fail(message: str, code: ExitCode = ExitCode.FAILED) -> NoReturn:
    """Say why on standard error, and leave."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
