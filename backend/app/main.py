"""Starts the platform: bind, build, serve, drain. One process, or several that share one listening socket."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from app import bootstrap
from app.api.rest.protocol import protocol_class
from app.api.websocket.server import uvicorn_options
from app.banner import banner
from app.checks import accepted
from app.core.allocator import keep_freed_memory
from app.core.siblings import common_folder
from app.limiting import told_of_shares
from app.logs import configure_logging
from app.settings import ConfigError, LoadedSettings
from app.workers import accept_signals, run_workers

logger = logging.getLogger(__name__)

Load = Callable[[], LoadedSettings]

STOP_GRACE = 15.0
"""Seconds that the end may take after the answers under way had theirs; then the process ends as it is."""


def serve(load: Load) -> int:
    """Run until SIGTERM or SIGINT. `load` reads the settings, now and again at each reload.

    Returns the exit code: 0 after a clean stop, 1 when the platform could not start.
    """
    loaded = accepted(load)
    settings = loaded.settings
    bootstrap.keep_secret(loaded)
    configure_logging(settings.log_level, settings.log_format)
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    if told := told_of_shares(settings):
        logger.warning("%s", told)
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
            _spare_the_collector()
            with common_folder() as folder:
                run_one = partial(run_worker, folder=folder)
                load = partial(accepted, load, settings.server.host)  # the listener outlives each worker
                return run_workers(settings.server.workers, run_one, load, listener)
        return _run(lambda: bootstrap.Platform(load, loaded), listener)


def run_worker(
    load: Load, loaded: LoadedSettings, listener: socket.socket, announce: bool, *, folder: Path
) -> int:
    """One of several serving processes. `loaded`: the settings that the platform runs with now. `folder`: where
    they can speak to each other, and nobody else.
    """
    bootstrap.keep_secret(loaded)
    configure_logging(loaded.settings.log_level, loaded.settings.log_format)
    parent = os.getppid()
    return _run(
        lambda: bootstrap.Platform(load, loaded, lambda: os.kill(parent, signal.SIGHUP), folder),
        listener,
        announce,
    )


def _run(build: Callable[[], bootstrap.Platform], listener: socket.socket, announce: bool = True) -> int:
    # Every process that is started from here runs another program at once. gRPC, which fears for one that would
    # go on with it, would leave a line of its own on standard error for each.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    keep_freed_memory()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(build, listener, announce))
    return 0


async def _serve(build: Callable[[], bootstrap.Platform], listener: socket.socket, announce: bool) -> None:
    platform = build()
    server = _Server(_config(platform), platform, listener, announce)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(platform))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop, number)
    accept_signals()
    try:
        await platform.start()
        _spare_the_collector()
        await server.serve(sockets=[listener])
    finally:
        await platform.stop()


def _spare_the_collector() -> None:
    """What is there now stays: looking through it again and again held answers up for a tenth of a second, and
    looking once before it is put aside was a tenth of the start. And what requests make goes with them, as it is
    in no circles: looking for some after every twentieth request, as the default comes to, was an eighth of the
    CPU.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _config(platform: bootstrap.Platform) -> uvicorn.Config:
    settings = platform.settings
    app: ASGIApp = platform.app
    return uvicorn.Config(
        app,
        http=protocol_class(settings.limits.header_seconds),
        **uvicorn_options(settings.limits.websocket_bytes),
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
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

    def stop(self, number: int) -> None:
        """Let the answers under way finish, then return from serve(). A second SIGINT does not wait for them."""
        if not self.should_exit:
            _end_within(self._platform.settings.server.shutdown_seconds + STOP_GRACE)
            logger.warning("stopping once the answers under way are complete; Ctrl+C again stops at once")
        self._platform.drain()
        self.config.timeout_graceful_shutdown = int(self._platform.settings.server.shutdown_seconds)
        self.handle_exit(number, None)
        if self.force_exit:
            self._platform.hurry()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again at the end, before the integrations are shut down."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._announce and not self.should_exit:
            host, port = self._listener.getsockname()[:2]
            sys.stdout.write(banner(self._platform, host, port))
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._platform.drain()
        await super().shutdown(sockets)


def _end_within(seconds: float) -> None:
    """Whatever hangs (a plugin, a thread that nobody can cancel), the process ends."""

    def give_up() -> None:
        logger.critical("the platform did not stop within %g s and is ended", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def _reload(platform: bootstrap.Platform) -> None:
    async def attempt() -> None:
        try:
            await platform.reload()
        except ConfigError as error:
            logger.error("the configuration was refused and the old one stays: %s", error.summary)
        except Exception:
            logger.exception("defect in a reload")

    platform.background(attempt())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Accepted connections inherit it. uvloop does so anyway; on asyncio's own loop each delta would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
