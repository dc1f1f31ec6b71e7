"""Where jobs are kept: one folder that all processes of a platform share, also those that come later.

`ID.json` is the job as it was last. While it is not over there is `ID.lock`, locked by the process that runs it:
one that nobody has locked was left by a process that died. `ID.cancel` asks whoever runs it to stop.

Every method may raise OSError, and waits for nothing but the disk.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.core.jobs.job import Job

KEPT = 200
"""Jobs that are over; of more the oldest are forgotten."""

ID = re.compile(r"job_[0-9a-f]{16}")

_decoder = msgspec.json.Decoder(Job)


class Hold(NamedTuple):
    """A job that is this process's to run, until it lets go or dies."""

    descriptor: int

    def let_go(self) -> None:
        os.close(self.descriptor)


class JobFolder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, id: str) -> Job | None:
        """None where there is none, also when the death of the machine left half of it."""
        try:
            return _decoder.decode(self._file(id, "json").read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def all(self) -> list[Job]:
        return [job for id in self._ids("json") if (job := self.read(id)) is not None]

    def write(self, job: Job) -> None:
        """At once or not at all."""
        new = self._file(job.id, "new")
        new.write_bytes(msgspec.json.encode(job))
        new.replace(self._file(job.id, "json"))

    def open(self, job: Job) -> tuple[Job, Hold | None]:
        """Add `job` and hold it. One that does the same and is not over is returned instead, without a hold."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            for id in self._ids("lock"):
                found = self.read(id)
                if found is not None and not found.over and found.same_as(job):
                    return found, None
            self.write(job)
            return job, self._hold(job.id, create=True)

    def take_over(self) -> list[tuple[Job, Hold]]:
        """Jobs that nobody runs any more, as they were last. From now on they are this process's."""
        if not (ids := self._ids("lock")):
            return []
        with self._alone():
            return [left for id in ids if (left := self._left_behind(id)) is not None]

    def close(self, job: Job, hold: Hold) -> None:
        """It is over. A disk that does not take its outcome forgets it, rather than say for ever that it runs."""
        try:
            self.write(job)
        except OSError:
            self._file(job.id, "json").unlink(missing_ok=True)
            raise
        finally:
            self._clear(job.id)
            hold.let_go()
        self._prune()

    def ask_to_cancel(self, id: str) -> None:
        self._file(id, "cancel").touch()

    def asked_to_cancel(self) -> list[str]:
        """Those that are not over, of whichever process."""
        held = set(self._ids("lock"))
        asked = self._ids("cancel")
        for id in asked:
            if id not in held:
                self._file(id, "cancel").unlink(missing_ok=True)
        return [id for id in asked if id in held]

    def _left_behind(self, id: str) -> tuple[Job, Hold] | None:
        if (hold := self._hold(id)) is None:
            return None
        job = self.read(id)
        if job is not None and not job.over:
            return job, hold
        self._clear(id)
        hold.let_go()
        return None

    def _prune(self) -> None:
        ids = self._ids("json")
        if len(ids) <= KEPT:
            return
        over = sorted((job for job in self.all() if job.over), key=lambda job: job.created_at)
        for job in over[: len(ids) - KEPT]:
            self._file(job.id, "json").unlink(missing_ok=True)

    def _clear(self, id: str) -> None:
        for ending in ("cancel", "lock"):
            self._file(id, ending).unlink(missing_ok=True)

    def _ids(self, ending: str) -> list[str]:
        try:
            names = os.listdir(self._path)
        except FileNotFoundError:
            return []
        parts = (name.rpartition(".") for name in sorted(names))
        return [id for id, _, last in parts if last == ending and ID.fullmatch(id)]

    def _hold(self, id: str, *, create: bool = False) -> Hold | None:
        """None while another has it, or when it is there no more."""
        path = self._file(id, "lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        except FileNotFoundError:
            return None
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return Hold(descriptor)
        os.close(descriptor)
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process is in such a block meanwhile."""
        with (self._path / "alone").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _file(self, id: str, ending: str) -> Path:
        return self._path / f"{id}.{ending}"
