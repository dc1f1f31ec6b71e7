"""How a caller stands with its limits, in the headers of the dialects.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://platform.claude.com/docs/en/api/rate-limits#response-headers
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from app.domain.limits import Standing, Unit

Headers = list[tuple[bytes, bytes]]

_WHAT = ("limit", "remaining", "reset")
_TOKENS: tuple[Unit, ...] = ("tokens", "input_tokens", "output_tokens")
_OPENAI = {kind: tuple(f"x-ratelimit-{what}-{kind}".encode() for what in _WHAT) for kind in ("requests", "tokens")}
_NAMES: Mapping[str, tuple[bytes, ...]] = {
    "requests": _OPENAI["requests"],
    **dict.fromkeys(_TOKENS, _OPENAI["tokens"]),
}


def openai_headers(standings: Sequence[Standing]) -> Headers:
    """Of several limits of one kind the one that is nearest to being reached."""
    nearest: dict[tuple[bytes, ...], Standing] = {}
    for standing in standings:
        names = _NAMES.get(standing.rate.unit)
        if names is None:
            continue
        known = nearest.get(names)
        if known is None or _share(standing) < _share(known):
            nearest[names] = standing
    headers: Headers = []
    for (limit, remaining, reset), standing in nearest.items():
        headers += (
            (limit, b"%d" % standing.rate.limit),
            (remaining, b"%d" % standing.remaining),
            (reset, _duration(standing.reset)),
        )
    return headers


def anthropic_headers(standings: Sequence[Standing]) -> Headers:
    headers: Headers = []
    for kind, units in (
        (b"requests", ("requests",)),
        (b"tokens", _TOKENS),
        (b"input-tokens", ("input_tokens",)),
        (b"output-tokens", ("output_tokens",)),
    ):
        if (standing := _nearest(standings, units)) is not None:
            at = datetime.fromtimestamp(time.time() + standing.reset + 0.5, UTC)
            headers += [
                (b"anthropic-ratelimit-%b-limit" % kind, b"%d" % standing.rate.limit),
                (b"anthropic-ratelimit-%b-remaining" % kind, b"%d" % standing.remaining),
                (b"anthropic-ratelimit-%b-reset" % kind, at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
            ]
    return headers


def metadata(standings: Sequence[Standing]) -> tuple[tuple[str, str], ...]:
    """The first of them as gRPC's metadata."""
    return tuple((name.decode(), value.decode()) for name, value in openai_headers(standings))


def _nearest(standings: Sequence[Standing], units: Sequence[str]) -> Standing | None:
    found = [standing for standing in standings if standing.rate.unit in units]
    return min(found, key=_share, default=None)


def _share(standing: Standing) -> float:
    """What is left, as a part of all."""
    return standing.remaining / standing.rate.limit


def _duration(seconds: float) -> bytes:
    """As Go writes it: 850ms, 12.5s, 6m0s, 1h0m30s."""
    return b"%dms" % round(seconds * 1000) if seconds < 1 else _whole(int(seconds * 10 + 0.5))


@lru_cache(maxsize=4096)
def _whole(tenths: int) -> bytes:
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{rest / 10:g}s".encode()
