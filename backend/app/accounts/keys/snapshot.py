"""The keys that a process knows, by their digests. A dictionary with a bound: it asks nobody and knows no time."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

import msgspec

from app.accounts.keys.schemas import Key
from app.domain.principal import Principal


class Known(NamedTuple):
    """A key, and until when it is recognised by which digest. None: until the key ends. `path`: those above it and
    itself.
    """

    key: Key
    digests: Mapping[bytes, float | None]
    path: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """`until` in Unix seconds."""

    key_id: str
    principal: Principal
    until: float
    revoked: bool


class Snapshot:
    def __init__(self, most_keys: int) -> None:
        self._most = most_keys
        self._entries: dict[bytes, Entry] = {}
        self._digests: dict[str, list[bytes]] = {}

    def get(self, digest: bytes) -> Entry | None:
        return self._entries.get(digest)

    def __len__(self) -> int:
        """How many keys."""
        return len(self._digests)

    def take(self, news: Iterable[Known]) -> None:
        """Each in the place of what was known of the same key. One that nothing recognises is forgotten."""
        for known in news:
            self._forget(known.key.id)
            if known.digests:
                self._digests[known.key.id] = list(known.digests)
                self._entries.update((digest, _entry(known, digest)) for digest in known.digests)
        while len(self._digests) > self._most:
            self._forget(next(iter(self._digests)))

    def clear(self) -> None:
        self._entries.clear()
        self._digests.clear()

    def _forget(self, id: str) -> None:
        for digest in self._digests.pop(id, ()):
            self._entries.pop(digest, None)


def principal_of(key: Key, path: tuple[str, ...] = ()) -> Principal:
    return Principal(
        id=f"key:{key.id}",
        roles=frozenset(key.roles),
        key=key.id,
        team=key.team,
        groups=key.groups,
        tier=key.tier,
        models=key.models,
        line=path,
    )


def _entry(known: Known, digest: bytes) -> Entry:
    key, until = known.key, known.digests[digest]
    ends = [each for each in (key.expires_at, until) if each is not None]
    return Entry(key.id, principal_of(key, known.path), min(ends, default=inf), key.revoked_at is not None)
