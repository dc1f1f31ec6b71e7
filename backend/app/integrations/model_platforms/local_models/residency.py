"""Which models are in memory: loaded when first asked for, let go when nobody needs them.

Models are loaded one after the other, in the order they were asked for, each once there is room for it. Room is
made by sending away whoever was unused for the longest; where all are at work, that one's answers end first, and
new requests for it come after those who wait. What is pinned stays.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app.core.clock import Clock
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded, Resident
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.room import Key, Room, no_room
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Mode
from app.integrations.model_platforms.local_models.setbacks import Setbacks
from app.integrations.model_platforms.local_models.tenants import Arrival, GivenUp, Tenant


class Loader(Protocol):
    """`prepare` and `open` raise LoadFailed or OSError, and what `arrival.told` raises."""

    @property
    def location(self) -> str:
        """Where models are in memory: cpu, gpu, cpu+gpu."""
        ...

    async def look(self) -> None:
        """Find out how much memory there is."""
        ...

    async def prepare(self, model: LocalModel, arrival: Arrival) -> Path:
        """A file that can be run. May be under way for several models at once."""
        ...

    async def open(self, model: LocalModel, mode: Mode, path: Path, arrival: Arrival) -> Engine: ...


class Residency:
    """`changed` is called at each change, `publish` with what happened (ModelLoaded, ModelUnloaded,
    ModelLoadFailed). `idle_seconds`: 0 keeps an unused model. `provider` is named in errors.
    """

    def __init__(
        self,
        loader: Loader,
        changed: Callable[[], None],
        clock: Clock,
        *,
        publish: Callable[[object], None],
        provider: str,
        idle_seconds: float,
        room: Room,
    ) -> None:
        self._loader = loader
        self._changed = changed
        self._clock = clock
        self._publish = publish
        self._provider = provider
        self._idle_seconds = idle_seconds
        self._room = room
        self._tenants: dict[Key, Tenant] = {}
        self._loads: dict[Key, asyncio.Task[Tenant]] = {}
        self._arrivals: dict[Key, Arrival] = {}
        self._departures: dict[Key, asyncio.Task[None]] = {}
        # Those who asked for a load and have not come in yet: what they wait for must not leave before.
        self._expected: Counter[Key] = Counter()
        # Held by who makes room, until his model is there.
        self._door = asyncio.Lock()
        self._moved = asyncio.Event()
        self._pinned: set[str] = set()
        self._setbacks = Setbacks(clock, provider)
        self._closed = False

    def loaded(self) -> dict[str, list[Mode]]:
        """Model -> how it is in memory."""
        found: dict[str, list[Mode]] = {}
        for name, mode in self._tenants:
            found.setdefault(name, []).append(mode)
        return found

    def loading(self) -> set[str]:
        return {name for name, _ in self._arrivals}

    def residents(self) -> list[Resident]:
        """Who is in memory, who is coming and who is going."""
        here = (
            tenant.resident(
                key[1],
                leaving=key in self._departures,
                pinned=key[0] in self._pinned,
                idle_seconds=self._idle_seconds,
            )
            for key, tenant in self._tenants.items()
        )
        coming = (arrival.resident(key[1], key[0] in self._pinned) for key, arrival in self._arrivals.items())
        return [*here, *coming]

    async def enter(self, model: LocalModel, mode: Mode) -> Tenant:
        """The model in memory, held there until the caller calls `leave` on it.

        However many ask at once, it is loaded once, and one who gives up does not stop it for the others.
        Raises UpstreamUnavailable when it cannot be loaded, Overloaded when there is no place for it.
        """
        key = (model.id, mode)
        while True:
            if (departure := self._departures.get(key)) is not None:
                await asyncio.wait({departure})  # also lets the loop go on where it is done, but still listed
                continue
            tenant = self._tenants.get(key)
            if tenant is None:
                tenant = await self._awaited(key, model)
            elif tenant.model.marks != model.marks:
                # The file was exchanged: what is in memory is another model.
                self._depart(key, tenant)
                continue
            if self._tenants.get(key) is tenant and key not in self._departures:
                tenant.enter()
                return tenant

    @property
    def busy(self) -> bool:
        return any(tenant.users for tenant in self._tenants.values())

    def running(self) -> int:
        """Threads at work, also those whose answer nobody waits for any more."""
        return sum(tenant.engine.running for tenant in self._tenants.values())

    def pin(self, name: str, pinned: bool = True) -> bool:
        """What is pinned makes no room for others, and does not leave unused. Whether it was pinned before."""
        before = name in self._pinned
        (self._pinned.add if pinned else self._pinned.discard)(name)
        return before

    def dismiss(self, name: str) -> None:
        """Let it go once its running answers have ended; a load under way is given up. New requests wait for that,
        and then load it anew.
        """
        for key in [key for key in self._loads if key[0] == name]:
            self._give_up(key)
        for key, tenant in list(self._tenants.items()):
            if key[0] == name:
                self._depart(key, tenant)

    async def unload(self, name: str) -> None:
        """Dismiss it, and wait until it is gone."""
        self.dismiss(name)
        leaving = [task for key, task in self._departures.items() if key[0] == name]
        await asyncio.gather(*(asyncio.shield(task) for task in leaving))

    async def close(self) -> None:
        """Stop every answer and free every model; nothing is loaded any more."""
        self._closed = True
        for key in list(self._loads):
            self._give_up(key)
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        for key, tenant in list(self._tenants.items()):
            self._depart(key, tenant)
            tenant.abandon()
        await asyncio.gather(*self._departures.values(), return_exceptions=True)

    def _give_up(self, key: Key) -> None:
        self._arrivals[key].stopped = True
        if self._arrivals[key].begun:  # a task that never ran would tell those who wait that they were cancelled
            self._loads[key].cancel()

    async def _awaited(self, key: Key, model: LocalModel) -> Tenant:
        self._expected[key] += 1
        try:
            return await asyncio.shield(self._loading(key, model))
        finally:
            self._expected[key] -= 1
            self._moved.set()

    def _loading(self, key: Key, model: LocalModel) -> "asyncio.Task[Tenant]":
        if self._closed:
            raise self._setbacks.unavailable(model, "the platform is stopping", 1.0)
        task = self._loads.get(key)
        if task is None:
            self._setbacks.refuse(key, model)
            self._arrivals[key] = Arrival(model, self._clock)
            task = asyncio.create_task(self._bring_in(key, self._arrivals[key]), name=f"load {key}")
            self._loads[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
            self._changed()
        return task

    def _loaded(self, key: Key, task: "asyncio.Task[Tenant]") -> None:
        del self._loads[key], self._arrivals[key]
        if not task.cancelled():
            # Marks it as seen: everybody who waited for it may have gone.
            task.exception()
        self._changed()

    async def _bring_in(self, key: Key, arrival: Arrival) -> Tenant:
        model, started = arrival.model, self._clock.monotonic()
        try:
            arrival.told("waiting", 0.0)
            await self._loader.look()
            self._room.check(model)
            path = await self._loader.prepare(model, arrival)
            async with self._door:
                arrival.told("waiting", 0.0)
                need = self._room.need(model)
                await self._make_room(key, need)
                started = self._clock.monotonic()
                engine = await self._loader.open(model, key[1], path, arrival)
                where = self._loader.location
                tenant = Tenant(model, engine, self._clock, need=need, location=where, unused=self._moved.set)
                return self._moved_in(key, tenant, started)
        except (LoadFailed, OSError) as error:
            reason = error.strerror or "it cannot be read" if isinstance(error, OSError) else str(error)
            seconds = self._clock.monotonic() - started
            self._publish(ModelLoadFailed(integration=self._provider, model=model.id, seconds=seconds))
            raise self._setbacks.failed(key, model, reason) from error
        except (asyncio.CancelledError, GivenUp):
            # For those who wait: a cancellation would look to them as one of their own.
            reason = "the platform is stopping" if self._closed else "its loading was stopped"
            raise self._setbacks.unavailable(model, reason, 1.0) from None

    def _moved_in(self, key: Key, tenant: Tenant, started: float) -> Tenant:
        self._setbacks.forget(key)
        self._tenants[key] = tenant
        if self._idle_seconds:
            tenant.watch = asyncio.create_task(self._watch(key, tenant), name=f"idle {key}")
        self._publish(ModelLoaded(integration=self._provider, model=key[0], seconds=tenant.since - started))
        return tenant

    async def _make_room(self, newcomer: Key, need: int) -> None:
        """Returns when it is there. Raises Overloaded when it does not come within `patience`."""
        end = self._clock.monotonic() + self._room.patience
        while not self._room.has(need, self._tenants.values()):
            self._moved.clear()
            remaining = [one for key, one in self._tenants.items() if one.users or key not in self._departures]
            if not self._room.has(need, remaining):
                self._send_away(newcomer, need)
            await self._wait_for_move(newcomer, end - self._clock.monotonic())

    def _send_away(self, newcomer: Key, need: int) -> None:
        """Who was unused for the longest; else, unless enough will go already, who was asked the longest ago."""
        staying = {key: tenant for key, tenant in self._tenants.items() if key not in self._departures}
        movable = [
            (tenant.users > 0, tenant.last_used, key)
            for key, tenant in staying.items()
            if key[0] not in self._pinned and not self._expected[key]
        ]
        at_work, _, key = min(movable, default=(True, 0.0, newcomer))
        if at_work and self._room.has(need, staying.values()):
            return
        if movable:
            self._depart(key, self._tenants[key])
        elif not self._departures and not any(self._expected[key] for key in staying):
            raise no_room(newcomer, self._tenants, "all are pinned")

    async def _wait_for_move(self, newcomer: Key, seconds: float) -> None:
        timer = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait({timer, moved}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            moved.cancel()
        if not moved.done():
            raise no_room(newcomer, self._tenants, "all are at work")

    async def _watch(self, key: Key, tenant: Tenant) -> None:
        while True:
            since = self._clock.monotonic() - tenant.last_used
            stays = tenant.users or key[0] in self._pinned
            rest = self._idle_seconds if stays else self._idle_seconds - since
            if rest <= 0:
                break
            await self._clock.sleep(rest)
        tenant.watch = None
        self._depart(key, tenant)

    def _depart(self, key: Key, tenant: Tenant) -> None:
        """From now on `key` is not to be had; it leaves memory once nobody uses it."""
        if self._tenants.get(key) is not tenant or key in self._departures:
            return
        task = asyncio.create_task(self._leave(key, tenant), name=f"unload {key}")
        self._departures[key] = task
        task.add_done_callback(lambda _: self._departures.pop(key, None))

    async def _leave(self, key: Key, tenant: Tenant) -> None:
        await tenant.unused()
        if tenant.watch is not None:
            tenant.watch.cancel()
            await asyncio.wait({tenant.watch})
        await tenant.engine.close()
        self._tenants.pop(key, None)
        self._moved.set()
        seconds = self._clock.monotonic() - tenant.since
        self._publish(ModelUnloaded(integration=self._provider, model=key[0], seconds=seconds))
        self._changed()
