"""The keys of this process: what is served from memory, and how it keeps up with the database.

Whoever shows a known key is known at once, without a question. The database is asked

- every POLL_SECONDS, whether anything has changed; then for what did. So what one process revokes ends in all,
- for keys that are not known here: one question at a time for all that wait, so that a flood of strange keys is no
  flood of questions,
- in vain, while it does not answer: what was known goes on being good for TRUST_SECONDS after it was last heard
  of, then nobody is let in. A key that is not known can't be told from a new one then, so it is not refused.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import inf
from typing import NamedTuple, Protocol

from app.accounts.keys.snapshot import Entry, Known, Snapshot
from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError, Unavailable

POLL_SECONDS = 2.0
TRUST_SECONDS = 300.0
FIRST_POLL_SECONDS = 3.0
"""After the start: the database loads by itself until then."""

PATIENCE_SECONDS = 10.0
"""After the start: a database that was not heard of until then is worth a line in the log."""

USE_SECONDS = 60.0
"""How often it is written down when keys were last used."""

PAUSE_SECONDS = 0.05
PAUSE_AFTER_FAILURE = 1.0
"""Between two questions for keys that are not known."""

MOST_KEYS = 50_000
MOST_WAITING = 1000
MOST_STRANGERS = 10_000
STRANGER_SECONDS = 10.0
"""How long it is remembered that nobody knows a key, and of how many."""

logger = logging.getLogger(__name__)


class News(NamedTuple):
    """What the database told: the keys that have changed since the version that was asked for, or all that are
    good if there was none, and those that have one of the digests that were asked for. `others`: whether it holds
    keys that were made with another secret; None where nothing says otherwise than before.
    """

    version: int
    known: list[Known]
    others: bool | None = None


class Source(Protocol):
    """Raises PlatformError where the database does not answer."""

    async def news(self, since: int | None, digests: Iterable[bytes]) -> News: ...

    async def note_use(self, used: Mapping[str, float]) -> None: ...


class KeyDirectory:
    def __init__(self, source: Source, clock: Clock | None = None) -> None:
        self._source = source
        self._clock = clock or SystemClock()
        self._known = Snapshot(MOST_KEYS)
        self._strangers: dict[bytes, float] = {}
        self._version: int | None = None
        self._others = False
        self._trusted_until = self._failed_at = self._patient_until = -inf
        self._complained = False
        self._turn = asyncio.Lock()
        self._waiting: dict[bytes, asyncio.Future[bool]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._used: dict[str, float] = {}
        self._noted = self._clock.monotonic()

    def get(self, digest: bytes) -> Entry | None:
        """None where only `find` can tell."""
        entry = self._known.get(digest)
        if entry is None or self._trusted_until < self._clock.monotonic():
            return None
        self._used[entry.key_id] = self._clock.now()
        return entry

    async def find(self, digest: bytes) -> Entry | None:
        """None when nobody has the key. Raises Unavailable when that can't be told."""
        now = self._clock.monotonic()
        if self._strangers.get(digest, -inf) > now:
            return None
        if self._failed_at + PAUSE_AFTER_FAILURE > now or len(self._waiting) >= MOST_WAITING:
            raise _unavailable()
        told = self._waiting.get(digest)
        if told is None:
            told = self._waiting[digest] = asyncio.get_running_loop().create_future()
            if self._looking is None:
                self._looking = asyncio.create_task(self._look_up())
        if not await asyncio.shield(told):
            raise _unavailable()
        entry = self.get(digest)
        if entry is None and self._others:
            raise _unavailable("it may have been made with another key secret, as the log says")
        return entry

    async def refresh(self, digests: Iterable[bytes] = ()) -> None:
        """What has changed, and the keys of `digests`. Raises PlatformError."""
        async with self._turn:
            began = self._clock.monotonic()
            try:
                news = await self._source.news(self._version, digests)
            except PlatformError as error:
                self._failed(error)
                raise
            self._take(news)
            if self._complained:
                logger.info("keys are looked up again")
            self._complained = False
            self._failed_at, self._trusted_until = -inf, began + TRUST_SECONDS

    async def start(self) -> None:
        self._patient_until = self._clock.monotonic() + PATIENCE_SECONDS
        self._polling = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        tasks = [task for task in (self._polling, self._looking) if task is not None]
        self._polling = self._looking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(PlatformError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._note_use()

    async def _poll(self) -> None:
        await self._clock.sleep(FIRST_POLL_SECONDS)
        while True:
            try:
                await self.refresh()
                if self._clock.monotonic() - self._noted >= USE_SECONDS:
                    await self._note_use()
            except PlatformError:
                pass  # it is told once, where it happened
            except Exception:
                logger.exception("defect while the keys were looked up")
            await self._clock.sleep(POLL_SECONDS)

    async def _look_up(self) -> None:
        """For as long as somebody waits."""
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            known = False
            try:
                await self.refresh(asked)
                known = True
            except PlatformError:
                pass
            except Exception:
                logger.exception("defect while keys were looked up")
            finally:
                for digest, told in asked.items():
                    if known and self._known.get(digest) is None:
                        self._remember_stranger(digest)
                    if not told.done():
                        told.set_result(known)
            await self._clock.sleep(PAUSE_SECONDS)
        self._looking = None

    def _take(self, news: News) -> None:
        older = self._version is not None and news.version < self._version
        if older:  # a copy from before was put in its place: all is loaded anew
            self._known.clear()
        self._known.take(news.known)
        self._version = None if older else news.version
        if news.others and not self._others:
            logger.error(
                "some keys were made with another key secret than this one, and can't be told here: "
                "set LLM_PLATFORM_KEY_SECRET to what it was, or delete them"
            )
        if news.others is not None:
            self._others = news.others

    def _remember_stranger(self, digest: bytes) -> None:
        if self._others:
            return
        while len(self._strangers) >= MOST_STRANGERS:
            del self._strangers[next(iter(self._strangers))]
        self._strangers[digest] = self._clock.monotonic() + STRANGER_SECONDS

    def _failed(self, error: PlatformError) -> None:
        self._failed_at = now = self._clock.monotonic()
        if not self._complained and (self._version is not None or now >= self._patient_until):
            self._complained = True
            logger.warning("keys can't be looked up: %s Those that are known serve on for a while.", error)

    async def _note_use(self) -> None:
        self._noted = self._clock.monotonic()
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._source.note_use(used)
        except PlatformError:
            self._used = {**used, **self._used}
            raise


def _unavailable(why: str = "the platform's database does not answer. Ask again") -> Unavailable:
    return Unavailable(
        f"Whether the API key is good can't be told now: {why}.",
        code="keys_unavailable",
        retry_after=PAUSE_AFTER_FAILURE,
    )
