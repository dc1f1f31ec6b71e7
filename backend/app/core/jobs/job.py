"""What a job is, as data."""

from typing import Any, Literal

import msgspec

from app.domain.errors import ErrorKind

JobKind = Literal["pull", "load", "convert"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]

OVER = frozenset({"done", "failed", "cancelled"})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is what `integration` calls it. Times are Unix seconds, byte counts None until they are known.

    `step` says for people what is being done. `resumed`: how often it was begun again after its process had
    ended. `details` are what the integration tells of it beside, such as the files that it took and why.
    """

    id: str
    kind: JobKind
    integration: str
    model: str
    asked_by: str
    created_at: float
    state: JobState = "queued"
    step: str = ""
    completed_bytes: int | None = None
    total_bytes: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    error_kind: ErrorKind | None = None
    error_code: str | None = None
    resumed: int = 0
    details: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        return self.state in OVER

    def same_as(self, other: "Job") -> bool:
        """Whether it does what the other one does."""
        return (self.kind, self.integration, self.model) == (other.kind, other.integration, other.model)


class JobChanged(msgspec.Struct, frozen=True):
    """A job that runs in this process is not what it was. `job` is what it is now."""

    job: Job


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is. `details` replace those that were told before, where there are any."""

    step: str
    completed_bytes: int | None = None
    total_bytes: int | None = None
    details: dict[str, Any] = {}
