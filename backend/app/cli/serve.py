"""`llm-platform serve`."""

import gc
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ConfigOption, fail

if TYPE_CHECKING:
    from app.settings import LoadedSettings


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the HTTP server.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port of the gRPC server.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of server processes.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Start the platform."""
    # Until the platform serves. What a start makes stays, and looking through it for garbage was 5 % of the start.
    gc.disable()
    from app.main import serve as run
    from app.settings import ConfigError

    overrides = {
        "server.host": host,
        "server.port": port,
        "server.grpc_port": grpc_port,
        "server.workers": workers,
        "log_level": log_level,
    }
    try:
        code = run(partial(read_settings, config, overrides))
    except ConfigError as error:
        fail(f"The configuration cannot be used.\n{error}")
    raise typer.Exit(code)


def read_settings(config: Path | None, overrides: Mapping[str, object]) -> "LoadedSettings":
    """The settings as they stand now: what a reload and each worker process call again. Raises ConfigError."""
    from app.settings import load_settings

    return load_settings(config, os.environ, overrides)
