"""Reading what a server says of its models: JSON of which nothing is certain, so what is missing or of another
type counts as not told. Which fields mean what is each vendor's own matter.
"""

from collections.abc import Iterable, Mapping

from app.domain.errors import ProviderProtocolError

Record = Mapping[str, object]


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
