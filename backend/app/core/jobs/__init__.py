"""Work that takes longer than anybody wants to wait for: fetching, converting and loading models.

What a job is: job.py. Where jobs are kept, so that they outlive a process: folder.py. Who runs them: jobs.py. What
is done in them: runners.py.
"""

from app.core.jobs.job import Job, JobChanged, JobKind, JobState, Progress
from app.core.jobs.jobs import Jobs
from app.core.jobs.run import Runner, Work

__all__ = ["Job", "JobChanged", "JobKind", "JobState", "Jobs", "Progress", "Runner", "Work"]
