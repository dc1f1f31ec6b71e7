"""Several serving processes on one listening socket: start them, pass signals on, replace the dead, stop all."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from app.settings import ConfigError, LoadedSettings

logger = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
_HANDLED = _STOPPING | {signal.SIGHUP, signal.SIGCHLD}


def run_workers(
    count: int, run_one: Callable[..., int], load: Callable[[], LoadedSettings], listener: socket.socket
) -> int:
    """Blocks until a SIGTERM or SIGINT has ended every worker. A worker that dies is replaced after a second.

    The first worker announces the platform. SIGHUP makes each of them reload, if `load` accepts the settings; a
    replacement begins with those that were accepted last. Workers inherit that signals wait, and take them once
    they can handle them: see `accept_signals`. Returns 1 when a worker did not end well.
    """
    context = multiprocessing.get_context("spawn")
    loaded = load()

    def start(announce: bool) -> BaseProcess:
        resource_tracker.ensure_running()  # whenever it has to be started, it unblocks signals
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        process = context.Process(target=_work, args=(run_one, load, loaded, listener, announce))
        process.start()
        return process

    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # what is ignored can't be waited for everywhere
    workers = [start(announce=index == 0) for index in range(count)]
    while (number := signal.sigwait(_HANDLED)) not in _STOPPING:
        if number == signal.SIGHUP:
            if (new := _accepted(load)) is not None:
                loaded = new
                _signal(workers, signal.SIGHUP)
        elif not all(worker.is_alive() for worker in workers):
            time.sleep(_RESTART_SECONDS)
            workers = [worker if worker.is_alive() else _replaced(worker, start) for worker in workers]
    # As long as it is open here, connections are taken that nobody will answer.
    listener.close()
    _signal(workers, signal.SIGTERM)
    for worker in workers:
        worker.join()
    return int(any(worker.exitcode for worker in workers))


def accept_signals() -> None:
    """To be called in a worker when its handlers are there. Before, a signal would end it without any order."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def _accepted(load: Callable[[], LoadedSettings]) -> LoadedSettings | None:
    try:
        return load()
    except ConfigError as error:
        logger.error("the configuration was refused and the old one stays: %s", error.summary)
        return None


def _work(run_one: Callable[..., int], *arguments: Any) -> None:
    threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()
    sys.exit(run_one(*arguments))


def _follow_parent() -> None:
    """A worker that its parent can't stop any more would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _replaced(worker: BaseProcess, start: Callable[[bool], BaseProcess]) -> BaseProcess:
    logger.error("worker %d ended with code %s and is replaced", worker.pid, worker.exitcode)
    return start(False)


def _signal(workers: list[BaseProcess], number: int) -> None:
    for worker in workers:
        if worker.is_alive() and worker.pid is not None:
            os.kill(worker.pid, number)
