"""A pull from its name to its place: what there is, which of it, is there room, fetch, check, show.

What is decided is written down first, so that a pull that was broken off goes on with the same files of the same
commit. Nothing stands in the models' folder before all of it is there and its digests fit.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
from msgspec.structs import replace

from app.core.machine import Memory, memory
from app.domain.errors import ModelNotFound, Overloaded, PlatformError
from app.domain.models import PullProgress
from app.integrations.model_platforms.huggingface.choosing import choose, gigabytes
from app.integrations.model_platforms.huggingface.failures import failure
from app.integrations.model_platforms.huggingface.hub import Asking, Hub
from app.integrations.model_platforms.huggingface.names import Wanted, read_name
from app.integrations.model_platforms.huggingface.shelf import FILES, Plan, Shelf

logger = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """Of the file system that `folder` is, or will be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


class Puller:
    """`free` and `memory` tell what this machine has."""

    def __init__(
        self,
        hub: Hub,
        root: Path,
        free: Callable[[Path], int] = free_bytes,
        memory: Callable[[], Memory] = memory,
    ) -> None:
        self.root = root
        self._hub = hub
        self._shelf = Shelf(root)
        self._free = free
        self._memory = memory

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Raises InvalidRequest, ModelNotFound, PermissionDenied, Overloaded (no room) and UpstreamError."""
        wanted = read_name(model)
        try:
            async with aclosing(self._steps(model, wanted)) as steps:
                async for step in steps:
                    yield step
        except OSError as error:
            logger.warning("'%s': the models' folder: %s", self._hub.name, error)
            raise _no_room(error) from error

    async def delete(self, model: str) -> None:
        """Raises ModelNotFound."""
        if not await asyncio.to_thread(self._shelf.delete, read_name(model)):
            raise ModelNotFound(f"Nothing of '{model[:200]}' was pulled.", code="model_not_found", param="model")

    async def _steps(self, model: str, wanted: Wanted) -> AsyncGenerator[PullProgress, None]:
        plan = await asyncio.to_thread(self._shelf.plan_of, wanted)
        if plan is None or not plan.placing:
            async with self._hub.asking() as hub:
                if plan is None:
                    yield PullProgress(model=model, status="asking the Hub")
                    plan = await self._plan(hub, wanted)
                    if await asyncio.to_thread(self._shelf.has, plan):
                        yield self._told(model, plan, "is here already", plan.size)
                        return
                yield self._told(model, plan, "fetching")
                await asyncio.to_thread(self._check_room, wanted, plan)
                await asyncio.to_thread(self._shelf.keep_plan, wanted, plan)
                try:
                    async with aclosing(self._fetch(hub, model, wanted, plan)) as steps:
                        async for step in steps:
                            yield step
                except ModelNotFound:  # what was decided on is no more: the next pull decides anew
                    await asyncio.to_thread(self._shelf.forget, wanted)
                    raise
            plan = replace(plan, placing=True)
            await asyncio.to_thread(self._shelf.keep_plan, wanted, plan)
        await asyncio.to_thread(self._shelf.place, wanted, plan)
        yield self._told(model, plan, "is here", plan.size)

    async def _plan(self, hub: Asking, wanted: Wanted) -> Plan:
        repository = await hub.info(wanted.repository, wanted.revision)
        choice = choose(repository, wanted, await asyncio.to_thread(self._memory))
        return await asyncio.to_thread(self._shelf.make_plan, repository, choice)

    async def _fetch(
        self, hub: Asking, model: str, wanted: Wanted, plan: Plan
    ) -> AsyncGenerator[PullProgress, None]:
        receipt = plan.receipt
        files = [
            {**msgspec.to_builtins(file), "path": f"{FILES}/{name.rpartition('/')[2]}"}
            for file, name in zip(receipt.files, receipt.names, strict=True)
        ]
        fetching = hub.fetch(self._shelf.partial(wanted), receipt.repository, receipt.commit, files)
        async with aclosing(fetching) as steps:
            async for step in steps:
                yield PullProgress(
                    model=model,
                    status=f"fetching {step.file}",
                    completed_bytes=step.completed,
                    total_bytes=step.total,
                )

    def _check_room(self, wanted: Wanted, plan: Plan) -> None:
        needed, free = self._shelf.missing_bytes(wanted, plan), self._free(self._shelf.root)
        if needed > free:
            raise Overloaded(
                f"'{wanted.repository}' needs {gigabytes(needed)} and the file system of the models' folder has "
                f"{gigabytes(free)} free. Nothing was fetched.",
                code="disk_full",
            )

    def _told(self, model: str, plan: Plan, status: str, completed: int = 0) -> PullProgress:
        receipt = plan.receipt
        details = {
            "repository": receipt.repository,
            "revision": receipt.commit,
            "format": plan.format,
            "quantization": receipt.quantization,
            "why": plan.why,
            "files": [file.name for file in receipt.files],
            "place": receipt.place,
        }
        return PullProgress(
            model=model, status=status, completed_bytes=completed, total_bytes=plan.size, details=details
        )


def _no_room(error: OSError) -> PlatformError:
    kind = "disk_full" if error.errno in (27, 28, 122) else "disk"
    return failure(kind, "", "", "", has_token=False)
