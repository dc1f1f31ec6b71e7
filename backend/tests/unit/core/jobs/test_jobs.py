"""Jobs of several processes, each played by a `Jobs` of its own over one folder; what dies there really dies, by
letting go of its locks as the system would.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from app.core.jobs import Job, JobChanged, JobKind, Jobs, Progress, Runner, folder, jobs
from app.domain.errors import Conflict, ErrorKind, ModelNotFound, NotFound

GB = 1_000_000_000


class Doing:
    """Work that goes on when it is told to, and remembers what it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.error = error
        self.begun: list[Job] = []
        self.closed = 0

    async def work(self, job: Job) -> AsyncGenerator[Progress, None]:
        self.begun.append(job)
        try:
            yield Progress(step="fetching", completed_bytes=1, total_bytes=GB, details={"revision": "abc"})
            await self.go.wait()
            if self.error is not None:
                raise self.error
            yield Progress(step="fetching", completed_bytes=GB, total_bytes=GB)
        finally:
            self.closed += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.01)


@pytest.fixture
async def begin() -> AsyncGenerator[Callable[..., Jobs], None]:
    """Makes a process, which is stopped at the end."""
    made: list[Jobs] = []

    def make(doing: Doing, path: Path | None, *, resumes: bool = True, places: int = 4) -> Jobs:
        each = Jobs({"pull": Runner(doing.work, resumes, places), "load": Runner(doing.work)}, path)
        made.append(each)
        return each

    yield make
    for each in made:
        await each.stop()


async def reached(where: Jobs, id: str, state: str) -> Job:
    """The job once it is in that state."""
    async with asyncio.timeout(5), aclosing(where.watch(id)) as states:
        async for job in states:
            if job.state == state and (state != "running" or job.step == "fetching"):
                return job
    raise AssertionError(f"never {state}, but {job}")


def die(process: Jobs) -> None:
    """As a SIGKILL would leave it: its locks are gone, what it had written stays, and it does nothing any more."""
    process._disk.submit(lambda: None).result()
    for run in process._runs.values():
        assert run.hold is not None
        os.close(run.hold.descriptor)
    process._runs.clear()
    process._folder = None


@pytest.mark.parametrize("kept", [True, False])
async def test_a_job_from_its_start_to_its_end(tmp_path: Path, begin: Callable[..., Jobs], kept: bool) -> None:
    doing = Doing()
    here = begin(doing, tmp_path if kept else None)
    started = await here.start("pull", "hub", "org/model", "ann")
    assert (started.state, started.asked_by, started.over) == ("queued", "ann", False)
    running = await reached(here, started.id, "running")
    assert (running.completed_bytes, running.total_bytes, running.details) == (1, GB, {"revision": "abc"})
    doing.go.set()
    done = await reached(here, started.id, "done")
    assert (done.completed_bytes, done.error, done.details) == (GB, None, {"revision": "abc"})
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.created_at <= done.started_at <= done.finished_at
    assert await here.all() == [done]


@pytest.mark.parametrize(
    ("error", "message", "kind", "code"),
    [
        (ModelNotFound("There is none.", code="none"), "There is none.", ErrorKind.NOT_FOUND, "none"),
        (ValueError("secret"), "The job failed unexpectedly; the platform's log tells more.", "internal", None),
    ],
)
async def test_a_job_that_fails_says_why(
    tmp_path: Path, begin: Callable[..., Jobs], error: Exception, message: str, kind: ErrorKind, code: str | None
) -> None:
    doing = Doing(error)
    doing.go.set()
    here = begin(doing, tmp_path)
    failed = await reached(here, (await here.start("pull", "hub", "m", "ann")).id, "failed")
    assert (failed.error, failed.error_kind, failed.error_code) == (message, kind, code)


async def test_the_same_asked_again_is_one_job_in_every_process(
    tmp_path: Path, begin: Callable[..., Jobs]
) -> None:
    doing = Doing()
    here, there = begin(doing, tmp_path), begin(doing, tmp_path)
    first = await here.start("pull", "hub", "m", "ann")
    again = await asyncio.gather(
        *(process.start("pull", "hub", "m", "bob") for process in (here, there) for _ in range(10))
    )
    assert {job.id for job in again} == {first.id}
    others = [("load", "hub", "m"), ("pull", "other", "m"), ("pull", "hub", "n")]
    ids = {(await there.start(kind, where, model, "bob")).id for kind, where, model in others}  # type: ignore[arg-type]
    assert len(ids | {first.id}) == 4
    doing.go.set()
    await reached(here, first.id, "done")
    assert (await here.start("pull", "hub", "m", "ann")).id != first.id


async def test_a_job_is_seen_and_cancelled_from_another_process(
    tmp_path: Path, begin: Callable[..., Jobs]
) -> None:
    doing = Doing()
    here, there = begin(doing, tmp_path), begin(doing, tmp_path)
    await here.begin()
    id = (await here.start("pull", "hub", "m", "ann")).id
    assert (await reached(there, id, "running")).total_bytes == GB
    cancelled = await there.cancel(id)
    assert cancelled.state == "cancelled"
    assert doing.closed == 1
    assert await here.get(id) == cancelled == (await there.all())[0]
    with pytest.raises(Conflict, match="it is cancelled"):
        await here.cancel(id)


async def test_one_that_waits_for_its_turn_or_has_not_begun_is_cancelled_too(begin: Callable[..., Jobs]) -> None:
    doing = Doing()
    here = begin(doing, None, places=1)
    first, second, third = [await here.start("pull", "hub", model, "ann") for model in ("a", "b", "c")]
    assert (await here.cancel(third.id)).state == "cancelled"
    await reached(here, first.id, "running")
    assert (await here.get(second.id)).state == "queued"
    assert (await here.cancel(second.id)).state == "cancelled"
    assert [job.model for job in doing.begun] == ["a"]


@pytest.mark.parametrize(("kind", "resumes"), [("pull", True), ("load", False)])
@pytest.mark.parametrize("way", ["killed", "stopped"])
async def test_what_a_process_left_goes_on_or_has_failed(
    tmp_path: Path, begin: Callable[..., Jobs], kind: JobKind, resumes: bool, way: str
) -> None:
    before, after = Doing(), Doing()
    first, next_one = begin(before, tmp_path), begin(after, tmp_path)
    id = (await first.start(kind, "hub", "m", "ann")).id
    await reached(first, id, "running")
    if way == "killed":
        die(first)
        assert (await next_one.get(id)).state == "running"
    else:
        await first.stop()
    await next_one.begin()
    after.go.set()
    over = await reached(next_one, id, "done" if resumes else "failed")
    assert (over.resumed, over.asked_by) == (int(resumes), "ann")
    assert over.error is None or "ask for it again" in over.error
    assert len(after.begun) == resumes
    assert await next_one.all() == [over]
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix] == [".json"]


async def test_only_one_of_many_takes_over(tmp_path: Path, begin: Callable[..., Jobs]) -> None:
    dead, doing = begin(Doing(), tmp_path), Doing()
    id = (await dead.start("pull", "hub", "m", "ann")).id
    await reached(dead, id, "running")
    die(dead)
    others = [begin(doing, tmp_path) for _ in range(5)]
    await asyncio.gather(*(each.begin() for each in others))
    doing.go.set()
    await reached(others[0], id, "done")
    assert len(doing.begun) == 1


async def test_what_was_asked_of_a_dead_process_is_cancelled_by_the_next(
    tmp_path: Path, begin: Callable[..., Jobs]
) -> None:
    dead, there = begin(Doing(), tmp_path), begin(Doing(), tmp_path)
    id = (await dead.start("pull", "hub", "m", "ann")).id
    die(dead)
    await there.begin()
    assert (await there.cancel(id)).state == "cancelled"


async def test_those_that_are_over_are_forgotten_one_day(
    tmp_path: Path, begin: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "KEPT", 3)
    monkeypatch.setattr(jobs, "KEPT", 3)
    doing = Doing()
    doing.go.set()
    here = begin(doing, tmp_path)
    for number in range(6):
        await reached(here, (await here.start("pull", "hub", str(number), "ann")).id, "done")
    assert [job.model for job in await here.all()] == ["5", "4", "3"]
    assert [job.model for job in await begin(doing, tmp_path).all()] == ["5", "4", "3"]


@pytest.mark.parametrize("id", ["job_0123456789abcdef", "../../etc/passwd", "job_0123456789abcdef/../x", ""])
async def test_there_is_no_such_job(tmp_path: Path, begin: Callable[..., Jobs], id: str) -> None:
    here = begin(Doing(), tmp_path)
    for asked in (here.get(id), here.cancel(id), anext(here.watch(id))):
        with pytest.raises(NotFound):
            await asked


async def test_half_of_a_file_is_no_job(tmp_path: Path, begin: Callable[..., Jobs]) -> None:
    doing = Doing()
    here = begin(doing, tmp_path)
    id = (await here.start("pull", "hub", "m", "ann")).id
    await reached(here, id, "running")
    die(here)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(file.read_bytes()[:50])
    there = begin(doing, tmp_path)
    await there.begin()
    assert await there.all() == []
    assert not list(tmp_path.glob("*.lock"))


async def test_without_a_disk_jobs_are_done_all_the_same(
    tmp_path: Path, begin: Callable[..., Jobs], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    doing = Doing()
    here = begin(doing, tmp_path / "file" / "jobs")
    await here.begin()
    first = await here.start("pull", "hub", "m", "ann")
    assert (await here.start("pull", "hub", "m", "bob")).id == first.id
    doing.go.set()
    assert (await reached(here, first.id, "done")).model == "m"
    assert [record.message for record in caplog.records] == ["jobs can't be kept on disk: Not a directory"]


async def test_every_change_is_published_and_bytes_alone_not_too_often(tmp_path: Path) -> None:
    async def work(job: Job) -> AsyncGenerator[Progress, None]:
        for done in range(1000):
            yield Progress(step="fetching", completed_bytes=done, total_bytes=999)
            await asyncio.sleep(0)

    heard: list[JobChanged] = []
    here = Jobs({"pull": Runner(work)}, tmp_path, heard.append)
    done = await reached(here, (await here.start("pull", "hub", "m", "ann")).id, "done")
    assert [each.job.state for each in (heard[0], heard[-1])] == ["running", "done"]
    assert done.completed_bytes == 999
    assert len(heard) < 100
    await here.stop()


async def test_watchers_are_let_go_while_the_job_runs_on(tmp_path: Path, begin: Callable[..., Jobs]) -> None:
    here = begin(Doing(), tmp_path)
    id = (await here.start("pull", "hub", "m", "ann")).id

    async def watched() -> list[Job]:
        return [job async for job in here.watch(id)]

    watching = asyncio.create_task(watched())
    await reached(here, id, "running")
    here.end_watches()
    async with asyncio.timeout(5):
        assert (await watching)[-1].state == "running"
    assert (await here.get(id)).state == "running"


async def test_a_slow_disk_holds_up_nobody(tmp_path: Path, begin: Callable[..., Jobs]) -> None:
    doing, disk = Doing(), threading.Event()
    doing.go.set()
    here = begin(doing, tmp_path)
    started = await here.start("pull", "hub", "org/model", "ann")
    here._disk.submit(disk.wait)
    try:
        assert (await reached(here, started.id, "done")).completed_bytes == GB
    finally:
        disk.set()
    assert (await here.start("pull", "hub", "org/model", "ann")).id != started.id


async def test_a_job_whose_end_the_disk_does_not_take_can_be_had_again(
    tmp_path: Path, begin: Callable[..., Jobs]
) -> None:
    doing = Doing()
    here = begin(doing, tmp_path)
    first = await here.start("pull", "hub", "m", "ann")
    await reached(here, first.id, "running")
    assert [job.id for job in await here.all()] == [first.id]
    (tmp_path / f"{first.id}.new").mkdir()
    doing.go.set()
    await reached(here, first.id, "done")
    again = await here.start("pull", "hub", "m", "ann")
    assert again.id != first.id
    await reached(here, again.id, "done")
    assert [job.id for job in await begin(doing, tmp_path).all()] == [again.id]
