"""Adds up what all processes of the platform have counted, living and dead, from the files of their shelves.

The dead are folded into one file, so that a platform whose processes die again and again does not fill its folder,
and no counter ever goes back. One process reads at a time.
"""

import fcntl
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.core.liveness import lives
from app.integrations.monitoring.prometheus.families import FAMILIES
from app.integrations.monitoring.prometheus.shelf import NAMES, VALUES, WIDTH, Numbers, Place

_ENDED = "ended.json"


class _Ended(msgspec.Struct):
    """`ids`: whose numbers are in here, of those whose files may still be there."""

    ids: list[str] = []
    series: list[tuple[str, tuple[str, ...], list[float]]] = []


def collect(room: Path) -> Numbers:
    """All that was counted."""
    with _alone(room):
        ended = _read_ended(room)
        total: Numbers = {(family, labels): numbers for family, labels, numbers in ended.series}
        living: list[Numbers] = []
        dead: list[str] = []
        for path in sorted(room.glob(f"*{NAMES}")):
            id = path.name.removesuffix(NAMES)
            if lives(path):
                living.append(_numbers(room, id))
            else:
                dead.append(id)
                if id not in ended.ids:
                    _add(total, _numbers(room, id))
        if dead:
            _fold(room, dead, total)
        for numbers in living:
            _add(total, numbers)
        return total


def _fold(room: Path, dead: list[str], total: Numbers) -> None:
    """Wherever it is cut short, nothing is lost or counted twice: their ids go into the file with the numbers."""
    series = [(family, labels, numbers) for (family, labels), numbers in total.items()]
    new = room / f"{_ENDED}.new"
    new.write_bytes(msgspec.json.encode(_Ended(ids=dead, series=series)))
    new.rename(room / _ENDED)
    for id in dead:
        (room / (id + NAMES)).unlink(missing_ok=True)
        (room / (id + VALUES)).unlink(missing_ok=True)


def _read_ended(room: Path) -> _Ended:
    try:
        return msgspec.json.decode((room / _ENDED).read_bytes(), type=_Ended)
    except FileNotFoundError:
        return _Ended()


def _numbers(room: Path, id: str) -> Numbers:
    """The last line may still be on its way."""
    *lines, _ = (room / (id + NAMES)).read_bytes().split(b"\n")
    places = [msgspec.json.decode(line, type=Place) for line in lines]
    used = max((place.start + FAMILIES[place.family].width for place in places), default=0)
    with (room / (id + VALUES)).open("rb") as file:
        values = array("d", file.read(used * WIDTH))
    return {
        (each.family, each.labels): list(values[each.start : each.start + FAMILIES[each.family].width])
        for each in places
    }


def _add(total: Numbers, numbers: Numbers) -> None:
    for series, more in numbers.items():
        found = total.get(series)
        total[series] = more if found is None else [a + b for a, b in zip(found, more, strict=True)]


@contextmanager
def _alone(room: Path) -> Iterator[None]:
    file = os.open(room / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
