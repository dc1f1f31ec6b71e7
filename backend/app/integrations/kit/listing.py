"""Reading what a server says of its models: JSON of which nothing is certain, so what is missing or of another
type counts as not told. Which fields mean what is each vendor's own matter.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from app.domain.errors import ProviderProtocolError
from app.domain.prices import PER_MILLION, Price

Record = Mapping[str, object]


class PriceFields(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record tells what its model costs: dotted names of numbers, or of numbers as text. US dollars per
    million tokens, or with `per_token` for one. `free`: zeros are meant, and do not just stand where nobody said.
    """

    input: str
    output: str
    cached_input: str = ""
    cache_write: str = ""
    per_token: bool = False
    free: bool = False


def records(listing: object, provider: str, key: str = "id") -> tuple[Record, ...]:
    """The entries that have a name, under `key`. Some vendors answer with the bare array.

    Raises ProviderProtocolError for an answer that holds no list.
    """
    entries = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(entries, list):
        raise ProviderProtocolError(f"'{provider}' lists its models in an unknown form.", provider=provider)
    return tuple(entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get(key), str))


def number(sources: Iterable[Record], paths: Iterable[str]) -> int | None:
    """The first positive whole number at any of the dotted `paths`."""
    found = (at(source, path) for path in paths for source in sources)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)


def price(record: Record, fields: PriceFields) -> Price | None:
    """None where it is not told. Vendors write a negative number where it depends."""
    input, output = _dollars(record, fields.input, fields), _dollars(record, fields.output, fields)
    if input is None or output is None or not (input or output or fields.free):
        return None
    return Price(
        input=input,
        output=output,
        cached_input=_dollars(record, fields.cached_input, fields),
        cache_write=_dollars(record, fields.cache_write, fields),
    )


def _dollars(record: Record, path: str, fields: PriceFields) -> float | None:
    value = at(record, path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        told = Decimal(str(value)) * (PER_MILLION if fields.per_token else 1)  # exact: 0.0000025 is 2.5
    except InvalidOperation:
        return None
    return float(told) if told.is_finite() and told >= 0 else None


def text(record: Record, field: str) -> str | None:
    value = record.get(field)
    return value if isinstance(value, str) and value else None


def shows(sources: Iterable[Record], path: str, sign: object) -> bool:
    """Whether `sign` is the value at the dotted `path`, or one of its members."""
    for source in sources:
        value = at(source, path)
        if value == sign or (isinstance(value, list) and sign in value):
            return True
    return False


def at(source: object, path: str) -> object:
    for step in path.split("."):
        if not isinstance(source, dict):
            return None
        source = source.get(step)
    return source
