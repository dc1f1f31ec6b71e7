"""How jobs of one kind are done, and one that is being done."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from app.core.jobs.folder import Hold
from app.core.jobs.job import Job, Progress

Work = Callable[[Job], AsyncGenerator[Progress, None]]


class Runner(msgspec.Struct, frozen=True):
    """How jobs of one kind are done. `work` tells its progress, and raises a PlatformError when it can't be done;
    closing it stops it. `resumes`: whether it goes on from where it was when it is begun again. `places`: how many
    run at the same time in one process; the others wait.
    """

    work: Work
    resumes: bool = False
    places: int = 2


class Run:
    """A job of this process. `changed` is set, and exchanged for a new one, at every change. `untold`: progress
    that came too soon after the last to be told.
    """

    def __init__(self, job: Job, hold: Hold | None) -> None:
        self.job = job
        self.hold = hold
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.untold: Progress | None = None
        self.told_at = 0.0


def fields_of(progress: Progress, job: Job) -> dict[str, Any]:
    return {
        "step": progress.step,
        "completed_bytes": progress.completed_bytes,
        "total_bytes": progress.total_bytes,
        "details": progress.details or job.details,
    }
