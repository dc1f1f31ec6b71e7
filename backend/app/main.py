"""Starts the platform: bind, build, serve, drain. One process, or several that share one listening socket."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from app import bootstrap
from app.api.rest.protocol import protocol_class
from app.banner import banner
from app.logs import configure_logging
from app.settings import ConfigError, LoadedSettings, check_exposure
from app.workers import run_workers

logger = logging.getLogger(__name__)

Load = Callable[[], LoadedSettings]


def serve(load: Load) -> int:
    """Run until SIGTERM or SIGINT. `load` reads the settings, now and again at each reload.

    Returns the exit code: 0 after a clean stop, 1 when the platform could not start.
    """
    loaded = load()
    settings = loaded.settings
    configure_logging(settings.log_level)
    check_exposure(settings)
    try:
        listener = _listen(settings.server.host, settings.server.port)
    except OSError as error:
        logger.error(
            "can't listen on %s:%d (%s): choose another address with --host and --port",
            settings.server.host,
            settings.server.port,
            error.strerror,
        )
        return 1
    with listener:
        if settings.server.workers > 1:
            return run_workers(settings.server.workers, run_one, load, listener)
        return run_one(load, listener)


def run_one(load: Load, listener: socket.socket, announce: bool = True) -> int:
    """One serving process on an open socket."""
    configure_logging(load().settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(load, listener, announce))
    return 0


async def _serve(load: Load, listener: socket.socket, announce: bool) -> None:
    platform = bootstrap.build(load)
    server = _Server(_config(platform), platform, listener, announce)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: _reload(platform))
    try:
        await platform.start()
        await server.serve(sockets=[listener])
    finally:
        await platform.stop()


def _config(platform: bootstrap.Platform) -> uvicorn.Config:
    settings = platform.settings
    app: ASGIApp = platform.app
    return uvicorn.Config(
        app,
        http=protocol_class(settings.limits.header_seconds),
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.server.shutdown_seconds),
    )


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is there, and makes the platform unready as soon as it must stop."""

    def __init__(
        self, config: uvicorn.Config, platform: bootstrap.Platform, listener: socket.socket, announce: bool
    ) -> None:
        super().__init__(config)
        self._platform = platform
        self._listener = listener
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._announce:
            host, port = self._listener.getsockname()[:2]
            sys.stdout.write(banner(self._platform, host, port))
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._platform.drain()
        await super().shutdown(sockets)


def _reload(platform: bootstrap.Platform) -> None:
    async def attempt() -> None:
        try:
            await platform.reload()
        except ConfigError as error:
            logger.error("the configuration was refused and the old one stays:\n%s", error)

    platform.background(attempt())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
