"""/ws/models and /ws/metrics: how things are, then what changes. A slow reader misses steps, not the last."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from app.api.alerts import last_alerts
from app.api.context import ApiContext
from app.api.models import model_status, visible
from app.api.websocket.frames import Frame
from app.api.websocket.outbox import ClientGone
from app.api.websocket.socket import Socket
from app.domain.errors import InvalidRequest, PlatformError
from app.domain.principal import Principal
from app.inference.entry import ModelEntry
from app.inference.tally import Figures

INTERNAL_ERROR = 1011
METRICS_SECONDS = 1.0
"""Between two frames of /ws/metrics, at least."""

Frames = AsyncGenerator[dict[str, Any], None]

logger = logging.getLogger(__name__)


class FeedSession:
    """Writes `frames`, which have no end, to a socket. What the client says, but for its key, is refused."""

    def __init__(self, frames: Frames, socket: Socket) -> None:
        self._frames = frames
        self._socket = socket
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Nothing has an end that is worth waiting for."""
        return False

    def start(self) -> None:
        self._task = asyncio.create_task(self._write())

    async def take(self, frame: Frame) -> None:
        raise InvalidRequest("This socket takes no requests; /ws/chat does.", code="invalid_value", param="type")

    def stop(self, error: PlatformError) -> None:
        return

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._frames.aclose()

    async def _write(self) -> None:
        try:
            async with aclosing(self._frames):
                async for frame in self._frames:
                    await self._socket.principal()
                    await self._socket.outbox.send(frame)
        except ClientGone:
            return
        except PlatformError as error:
            await self._socket.turn_away(error)
        except Exception:
            logger.exception("defect in a WebSocket feed")
            await self._socket.outbox.close(INTERNAL_ERROR, "the platform failed unexpectedly")


async def model_frames(context: ApiContext, who: Callable[[], Awaitable[Principal]]) -> Frames:
    """A snapshot, then each model that comes, changes or goes (its status is then `removed`).

    `who` tells who looks at it.
    """
    changed = asyncio.Event()
    unwatch = context.router.catalog.watch(changed.set)
    try:
        shown = _models(visible(context, await who()))
        yield {"type": "snapshot", "models": list(shown.values())}
        while True:
            await changed.wait()
            changed.clear()
            before, shown = shown, _models(visible(context, await who()))
            for name, model in shown.items():
                if before.get(name) != model:
                    yield {"type": "change", "model": model}
            for name in before.keys() - shown.keys():
                yield {"type": "change", "model": {**before[name], "status": "removed"}}
    finally:
        unwatch()


async def metric_frames(context: ApiContext, seconds: float = METRICS_SECONDS) -> Frames:
    """A snapshot, then what has changed since the last frame: of the models only those that did, of alerts all.
    Without an Alertmanager there are none.
    """
    tally = context.tally
    version, shown, alerts = tally.version, tally.snapshot(), last_alerts(context)
    yield {"type": "snapshot", "metrics": shown, **({} if alerts is None else {"alerts": alerts})}
    while True:
        await asyncio.sleep(seconds)
        changed: dict[str, Any] = {}
        if tally.version != version:
            before, version, shown = shown, tally.version, tally.snapshot()
            changed["metrics"] = _changed(before, shown)
        told, alerts = alerts, last_alerts(context)
        if alerts != told:
            changed["alerts"] = alerts or []
        if changed:
            yield {"type": "change", **changed}


def _models(entries: Iterable[ModelEntry]) -> dict[str, dict[str, Any]]:
    return {entry.name: _model(entry) for entry in entries}


def _model(entry: ModelEntry) -> dict[str, Any]:
    known = entry.known
    return {
        "id": entry.name,
        "provider": entry.targets[0].integration,
        "status": model_status(entry),
        "capabilities": sorted(known.capabilities) if known else [],
    }


def _changed(before: Figures, now: Figures) -> Figures:
    models = {name: figures for name, figures in now.models.items() if before.models.get(name) != figures}
    return msgspec.structs.replace(now, models=models)
