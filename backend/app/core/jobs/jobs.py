"""Runs jobs, one task each, and knows those that other processes of the platform run.

A job is written down whenever it has changed. When its process dies, whichever process looks next takes it over:
one of a kind that can go on from where it was does so, another one has failed. While the disk takes nothing, jobs
are kept in memory alone.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from app.core.clock import Clock, SystemClock
from app.core.jobs.folder import ID, KEPT, Hold, JobFolder
from app.core.jobs.job import Job, JobChanged, JobKind, Progress
from app.core.jobs.run import Run, Runner, fields_of
from app.domain.errors import Conflict, ErrorKind, NotFound, PlatformError, UnsupportedFeature

LOOK_SECONDS = 0.5
"""Time between two looks at what other processes left, or ask for."""

TELL_SECONDS = 0.2
"""Least time between two changes of a job that differ in nothing but its bytes."""

CANCEL_SECONDS = 5.0
"""How long whoever cancels a job waits for its end."""

_STOPPED = "The platform ended while this was under way: ask for it again."
_DEFECT = "The job failed unexpectedly; the platform's log tells more."

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Jobs:
    """`folder`: None keeps jobs in memory. `publish` hears a JobChanged of each change of a job that runs here."""

    def __init__(
        self,
        runners: Mapping[JobKind, Runner],
        folder: Path | None = None,
        publish: Callable[[JobChanged], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self._runners = runners
        self._folder = JobFolder(folder) if folder is not None else None
        # All that the folder does, in the order it was asked for: writing takes its time, and the loop has none.
        self._disk = ThreadPoolExecutor(1, "jobs")
        self._publish = publish
        self._clock = clock or SystemClock()
        self._places = {kind: asyncio.Semaphore(runner.places) for kind, runner in runners.items()}
        self._runs: dict[str, Run] = {}
        self._over: dict[str, Job] = {}
        self._looking: asyncio.Task[None] | None = None
        self._leaving = self._stopping = False
        self._failing = False

    async def begin(self) -> None:
        """Take over what was left by processes that are no more, now and from now on."""
        if self._folder is not None:
            with self._tolerant():
                await self._look(self._folder)
            self._looking = asyncio.create_task(self._look_again_and_again(self._folder), name="jobs")

    def end_watches(self) -> None:
        """Whoever watches a job hears no more of it; the jobs go on."""
        self._leaving = True
        for run in self._runs.values():
            run.changed.set()

    async def stop(self) -> None:
        """Those that can go on later are left for whoever looks next; the others have failed."""
        self._stopping = True
        tasks = [task for run in self._runs.values() if (task := run.task) is not None]
        if self._looking is not None:
            tasks.append(self._looking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._on_disk(lambda: None)

    async def start(self, kind: JobKind, integration: str, model: str, asked_by: str) -> Job:
        """The job, which has been begun; one that is under way already where that does the same."""
        if kind not in self._runners:
            raise UnsupportedFeature(f"Nothing here does jobs of the kind '{kind}'.")
        job = Job(
            id=f"job_{secrets.token_hex(8)}",
            kind=kind,
            integration=integration,
            model=model,
            asked_by=asked_by,
            created_at=self._clock.now(),
        )
        hold = None
        if self._folder is not None:
            with self._tolerant():
                found, hold = await self._on_disk(partial(self._folder.open, job))
                if hold is None:
                    return found
        for run in self._runs.values():
            if run.job.same_as(job):
                return run.job
        return self._run(job, hold).job

    async def all(self) -> list[Job]:
        """Newest first. Some of those that are over may be forgotten."""
        written: list[Job] = []
        if self._folder is not None:
            with suppress(OSError):
                written = await self._on_disk(self._folder.all)
        own = {id: run.job for id, run in self._runs.items()}
        found = {job.id: job for job in written} | self._over | own
        return sorted(found.values(), key=lambda job: (job.created_at, job.id), reverse=True)

    async def get(self, id: str) -> Job:
        """Raises NotFound."""
        if (run := self._runs.get(id)) is not None:
            return run.job
        job = self._over.get(id)
        if job is None and self._folder is not None and ID.fullmatch(id):
            with suppress(OSError):
                job = await self._on_disk(partial(self._folder.read, id))
        if job is None:
            raise NotFound(
                f"There is no job '{id[:64]}'; it may be too long ago.", code="job_not_found", param="id"
            )
        return job

    async def watch(self, id: str) -> AsyncGenerator[Job, None]:
        """The job as it is, then again when it has changed, until it is over or `end_watches`. Raises NotFound.

        A slow reader misses steps, never the outcome.
        """
        told: Job | None = None
        while told is None or not (told.over or self._leaving):
            run = self._runs.get(id)
            changed = run.changed if run else None
            job = await self.get(id)
            if job != told:
                told = job
                yield job
            elif changed is not None:
                await changed.wait()
            else:
                await self._clock.sleep(TELL_SECONDS)

    async def cancel(self, id: str) -> Job:
        """The job once it is over. Raises NotFound, and Conflict where it was over before."""
        job = await self.get(id)
        if job.over:
            raise Conflict(f"The job is over already: it is {job.state}.", code="job_over")
        if (run := self._runs.get(id)) is not None and run.task is not None:
            run.task.cancel()
        elif self._folder is not None:
            await self._on_disk(partial(self._folder.ask_to_cancel, id))
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS), aclosing(self.watch(id)) as states:
                async for state in states:
                    job = state
        return job

    def _run(self, job: Job, hold: Hold | None) -> Run:
        run = self._runs[job.id] = Run(job, hold)
        run.task = asyncio.create_task(self._to_the_end(run), name=job.id)
        run.task.add_done_callback(lambda _: self._stopped(run))  # one that had not begun was not told
        return run

    async def _to_the_end(self, run: Run) -> None:
        runner = self._runners[run.job.kind]
        try:
            async with self._places[run.job.kind]:
                now = self._clock.now()
                self._change(run, state="running", step="", started_at=run.job.started_at or now)
                async with aclosing(runner.work(run.job)) as steps:
                    async for step in steps:
                        self._progressed(run, step)
            self._end(run, state="done")
        except asyncio.CancelledError:
            self._stopped(run)
        except PlatformError as error:
            fields = {"error": error.message, "error_kind": error.kind, "error_code": error.code}
            self._end(run, state="failed", **fields)
        except Exception:
            logger.exception("defect in %s, %s of %s", run.job.id, run.job.kind, run.job.model)
            self._end(run, state="failed", error=_DEFECT, error_kind=ErrorKind.INTERNAL)

    def _stopped(self, run: Run) -> None:
        """By who asked for that, or with the platform."""
        if self._runs.get(run.job.id) is not run:
            return
        if not self._stopping:
            self._end(run, state="cancelled")
        elif self._runners[run.job.kind].resumes and run.hold is not None:
            self._change(run, state="queued", step="goes on when the platform is back")
            del self._runs[run.job.id]
            self._keep(run.hold.let_go)
        else:
            self._end(run, state="failed", error=_STOPPED, error_kind=ErrorKind.ABORTED)

    def _progressed(self, run: Run, progress: Progress) -> None:
        now = self._clock.monotonic()
        if progress.step == run.job.step and not progress.details and now - run.told_at < TELL_SECONDS:
            run.untold = progress
            return
        run.told_at = now
        run.untold = None
        self._change(run, **fields_of(progress, run.job))

    def _end(self, run: Run, **fields: Any) -> None:
        if run.untold is not None:
            fields = {**fields_of(run.untold, run.job), **fields}
        self._runs.pop(run.job.id, None)
        job = self._over[run.job.id] = replace(run.job, finished_at=self._clock.now(), **fields)
        if len(self._over) > KEPT:
            del self._over[next(iter(self._over))]
        if self._folder is not None and run.hold is not None:
            self._keep(partial(self._folder.close, job, run.hold))
        self._tell(run, job)

    def _change(self, run: Run, **fields: Any) -> None:
        job = replace(run.job, **fields)
        if self._folder is not None and run.hold is not None:
            self._keep(partial(self._folder.write, job))
        self._tell(run, job)

    def _tell(self, run: Run, job: Job) -> None:
        run.job = job
        changed, run.changed = run.changed, asyncio.Event()
        changed.set()
        self._publish(JobChanged(job))

    async def _look_again_and_again(self, folder: JobFolder) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            with self._tolerant():
                await self._look(folder)

    async def _look(self, folder: JobFolder) -> None:
        left, cancelled = await self._on_disk(lambda: (folder.take_over(), folder.asked_to_cancel()))
        for job, hold in left:
            self._take_over(job, hold)
        for id in cancelled:
            if (run := self._runs.get(id)) is not None and run.task is not None:
                run.task.cancel()

    def _take_over(self, job: Job, hold: Hold) -> None:
        runner = self._runners.get(job.kind)
        if runner is not None and runner.resumes:
            logger.info("%s, %s of %s, goes on after its process ended", job.id, job.kind, job.model)
            resumed = job.resumed + 1
            self._run(replace(job, state="queued", step="begins again", resumed=resumed), hold)
        else:
            self._end(Run(job, hold), state="failed", error=_STOPPED, error_kind=ErrorKind.ABORTED)

    def _on_disk(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _keep(self, work: Callable[[], object]) -> None:
        """Soon, and before whatever is asked of the folder next."""

        def tolerantly() -> None:
            with self._tolerant():
                work()

        self._disk.submit(tolerantly)

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """What the disk does not take is told once."""
        try:
            yield
            self._failing = False
        except OSError as error:
            if not self._failing:
                logger.warning("jobs can't be kept on disk: %s", error.strerror or error)
            self._failing = True
