"""Which models are in memory: loaded when first asked for, let go when nobody needs them."""

import asyncio
from collections.abc import Awaitable, Callable

from app.core.backoff import Backoff
from app.core.clock import Clock
from app.domain.errors import Overloaded, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Mode

Key = tuple[str, Mode]
Loader = Callable[[LocalModel, Mode], Awaitable[Engine]]
_AGAIN = Backoff(base=1.0, maximum=60.0)


class Tenant:
    """A model in memory. `users`: answers under way, and those that wait for a slot."""

    def __init__(self, model: LocalModel, engine: Engine, clock: Clock) -> None:
        self.model = model
        self.engine = engine
        self.users = 0
        self.since = self.last_used = clock.monotonic()
        self.watch: asyncio.Task[None] | None = None
        self._clock = clock
        self._unused = asyncio.Event()
        self._unused.set()

    def enter(self) -> None:
        self.users += 1
        self._unused.clear()

    def leave(self) -> None:
        self.users -= 1
        self.last_used = self._clock.monotonic()
        if not self.users:
            self._unused.set()

    def abandon(self) -> None:
        """Do not wait for the users any more."""
        self._unused.set()

    async def unused(self) -> None:
        await self._unused.wait()


class _Failure:
    """A load that failed: not tried again before `until`, unless the file has changed."""

    def __init__(self, model: LocalModel, reason: str, until: float, count: int) -> None:
        self.model = model
        self.reason = reason
        self.until = until
        self.count = count


class Residency:
    """`load` brings one model into memory; it raises LoadFailed or OSError. `changed` is called at each change,
    `publish` with what happened (ModelLoaded, ModelUnloaded, ModelLoadFailed).

    `idle_seconds`: 0 keeps an unused model. `places`: how many may be in memory, those on their way in and out
    included. `provider` is named in errors.
    """

    def __init__(
        self,
        load: Loader,
        changed: Callable[[], None],
        clock: Clock,
        *,
        publish: Callable[[object], None],
        provider: str,
        idle_seconds: float,
        places: int,
    ) -> None:
        self._load = load
        self._changed = changed
        self._clock = clock
        self._publish = publish
        self._provider = provider
        self._idle_seconds = idle_seconds
        self._places = places
        self._tenants: dict[Key, Tenant] = {}
        self._loads: dict[Key, asyncio.Task[Tenant]] = {}
        self._departures: dict[Key, asyncio.Task[None]] = {}
        self._arriving = 0
        self._failures: dict[Key, _Failure] = {}
        self._closed = False

    def loaded(self) -> dict[str, list[Mode]]:
        """Model -> how it is in memory."""
        found: dict[str, list[Mode]] = {}
        for name, mode in self._tenants:
            found.setdefault(name, []).append(mode)
        return found

    async def enter(self, model: LocalModel, mode: Mode) -> Tenant:
        """The model in memory, held there until the caller calls `leave` on it.

        However many ask at once, it is loaded once, and one who gives up does not stop it for the others.
        Raises UpstreamUnavailable when it cannot be loaded, Overloaded when there is no place for it.
        """
        key = (model.id, mode)
        while True:
            departure = self._departures.get(key)
            if departure is not None:
                await asyncio.shield(departure)
                continue
            tenant = self._tenants.get(key)
            if tenant is None:
                tenant = await asyncio.shield(self._loading(key, model))
            elif tenant.model.fingerprint != model.fingerprint:
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

    def dismiss(self, name: str) -> None:
        """Let it go once its running answers have ended. New requests wait for that, and then load it anew."""
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
        # First, since a load may wait for a place that only the end of an answer makes free.
        self._abandon_all()
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        self._abandon_all()
        await asyncio.gather(*self._departures.values(), return_exceptions=True)

    def _abandon_all(self) -> None:
        for key, tenant in list(self._tenants.items()):
            self._depart(key, tenant)
            tenant.abandon()

    def _loading(self, key: Key, model: LocalModel) -> "asyncio.Task[Tenant]":
        self._refuse_closed(model)
        task = self._loads.get(key)
        if task is None:
            self._refuse_failed(key, model)
            self._make_room(key)
            task = asyncio.create_task(self._bring_in(key, model), name=f"load {key}")
            self._loads[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return task

    def _loaded(self, key: Key, task: "asyncio.Task[Tenant]") -> None:
        del self._loads[key]
        if not task.cancelled():
            # Marks it as seen: everybody who waited for it may have gone.
            task.exception()

    async def _bring_in(self, key: Key, model: LocalModel) -> Tenant:
        await self._free_place()
        self._refuse_closed(model)
        self._arriving += 1
        started = self._clock.monotonic()
        try:
            engine = await self._load(model, key[1])
        except (LoadFailed, OSError) as error:
            reason = error.strerror or "it cannot be read" if isinstance(error, OSError) else str(error)
            seconds = self._clock.monotonic() - started
            self._publish(ModelLoadFailed(integration=self._provider, model=model.id, seconds=seconds))
            raise self._failed(key, model, reason) from error
        finally:
            self._arriving -= 1
        self._failures.pop(key, None)
        tenant = Tenant(model, engine, self._clock)
        self._tenants[key] = tenant
        if self._idle_seconds:
            tenant.watch = asyncio.create_task(self._watch(key, tenant), name=f"idle {key}")
        self._publish(ModelLoaded(integration=self._provider, model=model.id, seconds=tenant.since - started))
        self._changed()
        return tenant

    async def _free_place(self) -> None:
        """One that leaves has its place until it is gone. `_make_room` saw to it that enough are leaving."""
        while len(self._tenants.keys() | self._departures.keys()) + self._arriving >= self._places:
            await asyncio.wait(self._departures.values(), return_when=asyncio.FIRST_COMPLETED)

    def _refuse_closed(self, model: LocalModel) -> None:
        if self._closed:
            raise self._unavailable(model, "the platform is stopping", 1.0)

    def _failed(self, key: Key, model: LocalModel, reason: str) -> UpstreamUnavailable:
        before = self._failures.get(key)
        count = before.count + 1 if before is not None else 0
        until = self._clock.monotonic() + _AGAIN.ceiling(count)
        self._failures[key] = _Failure(model, reason, until, count)
        return self._unavailable(model, reason, _AGAIN.ceiling(count))

    def _refuse_failed(self, key: Key, model: LocalModel) -> None:
        failure = self._failures.get(key)
        if failure is None or failure.model.fingerprint != model.fingerprint:
            return
        rest = failure.until - self._clock.monotonic()
        if rest > 0:
            raise self._unavailable(model, failure.reason, rest)

    def _unavailable(self, model: LocalModel, reason: str, rest: float) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"The local model '{model.id}' cannot be loaded: {reason}.", provider=self._provider, retry_after=rest
        )

    def _make_room(self, newcomer: Key) -> None:
        staying = {key: tenant for key, tenant in self._tenants.items() if key not in self._departures}
        if len(staying) + len(self._loads) < self._places:
            return
        unused = [(tenant.last_used, key) for key, tenant in staying.items() if not tenant.users]
        if not unused:
            raise Overloaded(
                f"No room for the local model '{newcomer[0]}': {self._places} are in memory, and all are at work.",
                retry_after=1.0,
            )
        _, oldest = min(unused)
        self._depart(oldest, staying[oldest])

    async def _watch(self, key: Key, tenant: Tenant) -> None:
        while True:
            since = self._clock.monotonic() - tenant.last_used
            rest = self._idle_seconds if tenant.users else self._idle_seconds - since
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
        self._tenants.pop(key, None)
        await self._evict(tenant)
        seconds = self._clock.monotonic() - tenant.since
        self._publish(ModelUnloaded(integration=self._provider, model=key[0], seconds=seconds))
        self._changed()

    async def _evict(self, tenant: Tenant) -> None:
        if tenant.watch is not None:
            tenant.watch.cancel()
            await asyncio.wait({tenant.watch})
        await tenant.engine.close()
