"""Several serving processes on one listening socket: start them, pass signals on, replace the dead, stop all."""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0


def run_workers(count: int, run_one: Callable[..., int], load: Callable[[], Any], listener: socket.socket) -> int:
    """Blocks until a SIGTERM or SIGINT has ended every worker. A worker that dies is replaced after a second.

    The first worker announces the platform; SIGHUP makes each of them reload.
    """
    context = multiprocessing.get_context("spawn")

    def start(announce: bool) -> BaseProcess:
        process = context.Process(target=run_one, args=(load, listener, announce))
        process.start()
        return process

    workers = [start(announce=index == 0) for index in range(count)]
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()
        _signal(workers, signal.SIGTERM)

    def reload(number: int, frame: FrameType | None) -> None:
        _signal(workers, signal.SIGHUP)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
    while not stopping.wait(_RESTART_SECONDS):
        for index, worker in enumerate(workers):
            if not worker.is_alive() and not stopping.is_set():
                logger.error("worker %d ended with code %s and is replaced", worker.pid, worker.exitcode)
                workers[index] = start(announce=False)
    for worker in workers:
        worker.join()
    return max((worker.exitcode or 0) for worker in workers)


def _signal(workers: list[BaseProcess], number: int) -> None:
    for worker in workers:
        if worker.is_alive() and worker.pid is not None:
            os.kill(worker.pid, number)
