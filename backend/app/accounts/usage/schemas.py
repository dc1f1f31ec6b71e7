"""What the ledger keeps of a call. The names are those of the columns in app.accounts.tables.

An entry's line is a JSON list of its fields, half the size of an object and read in half the time. So their order
stands: a new field goes to the end and has a default, that lines of an older version can be read.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

NANOS = 1_000_000_000
"""Money is counted in whole billionths of a US dollar: sums of them are exact."""

LONGEST = 255
"""Characters of a name that is kept."""


class AttemptEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One upstream request. `seconds` to its first event or its failure, `waited` in line before. `outcome`: ok,
    lost (another one answered first), or the kind of the error.
    """

    integration: str
    model: str
    seconds: float
    waited: float = 0.0
    outcome: str = "ok"


class Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One call, when it is over. `id` is the ledger's own: callers may give several requests one `request_id`.

    `at`: when it ended, in Unix seconds. `key_id`: the caller's purse. `cost` in NANOS, None where no price is
    known. `estimated`: the tokens were counted here, as the provider told none. `listed`: of a call for which
    nobody was asked, whether `model` is a name that the platform lists, and no text of the caller's own.
    """

    id: str
    at: float
    request_id: str
    principal: str
    front_end: str
    operation: str
    model: str
    outcome: str
    seconds: float
    key_id: str | None = None
    team: str | None = None
    tier: str | None = None
    integration: str | None = None
    target_model: str | None = None
    attempts: int = 0
    first_event_seconds: float | None = None
    stream: bool = False
    cached: str | None = None
    estimated: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None
    tried: tuple[AttemptEntry, ...] = ()
    listed: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def line(entry: Entry) -> bytes:
    return _encode(entry) + b"\n"


def entries(lines: Iterable[bytes]) -> tuple[list[Entry], list[bytes]]:
    """Those that can be read, and the lines that can't."""
    found, unreadable = [], []
    for each in lines:
        try:
            found.append(_decode(each))
        except (msgspec.DecodeError, UnicodeDecodeError):
            unreadable.append(each)
    return found, unreadable


@lru_cache(maxsize=4096)
def name(text: str) -> str:
    """Somebody's own words, fit for a column of any database."""
    return text if len(text) <= LONGEST and text.isprintable() else ascii(text)[1:-1][:LONGEST]
