"""What the directory asks of the database."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from app.accounts.keys.digests import Digests
from app.accounts.keys.directory import MOST_KEYS, News
from app.accounts.keys.snapshot import Known
from app.accounts.store import Store
from app.core.clock import Clock

SUBJECT = "keys"
"""Of app.accounts.versions."""

PAGE = 500


class StoredKeys:
    def __init__(self, store: Store, digests: Callable[[], Awaitable[Digests]], clock: Clock) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock

    async def news(self, since: int | None, digests: Iterable[bytes]) -> News:
        """The version is read first: what changes meanwhile is told twice rather than not at all."""
        secret_id, now = (await self._digests()).secret_id, self._clock.now()
        async with self._store.reading() as connection:
            from app.accounts.keys import repository as rows
            from app.accounts.versions import version_of

            version, wanted, known = await version_of(connection, SUBJECT), list(digests), []
            if version == since and not wanted:
                return News(version, [])
            if since is not None and version != since:
                known = await rows.changed_since(connection, since)
            if wanted:
                known += await rows.with_digests(connection, wanted)
            others = None
            if version != since:  # it looks through all digests
                others = await rows.any_of_another_secret(connection, secret_id, now)
        if since is None:
            known += await self._all(now)
        return News(version, known, others)

    async def _all(self, now: float) -> list[Known]:
        """Those that are good now, MOST_KEYS at most; by pages, for a question has little time."""
        found: list[Known] = []
        while len(found) < MOST_KEYS:
            async with self._store.reading() as connection:
                from app.accounts.keys import repository as rows

                page = await rows.live(connection, now, found[-1].key.id if found else "", PAGE)
            found += page
            if len(page) < PAGE:
                break
        return found

    async def note_use(self, used: Mapping[str, float]) -> None:
        """By pages, so that nobody waits long for a key's row."""
        ids = sorted(used)
        for first in range(0, len(ids), PAGE):
            async with self._store.writing() as connection:
                from app.accounts.keys import repository as rows

                await rows.note_use(connection, {id: used[id] for id in ids[first : first + PAGE]})
