"""How a caller stands with its limits, in the headers of the dialects.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://platform.claude.com/docs/en/api/rate-limits#response-headers
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from app.domain.limits import Standing, Unit

Headers = list[tuple[bytes, bytes]]

_TOKENS: tuple[Unit, ...] = ("tokens", "input_tokens", "output_tokens")


def openai_headers(standings: Sequence[Standing]) -> Headers:
    """Of several limits of one kind the one that is nearest to being reached."""
    headers: Headers = []
    for kind, units in ((b"requests", ("requests",)), (b"tokens", _TOKENS)):
        if (standing := _nearest(standings, units)) is not None:
            headers += [
                (b"x-ratelimit-limit-" + kind, b"%d" % standing.rate.limit),
                (b"x-ratelimit-remaining-" + kind, b"%d" % standing.remaining),
                (b"x-ratelimit-reset-" + kind, _duration(standing.reset).encode()),
            ]
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
    return min(found, key=lambda each: each.remaining / each.rate.limit, default=None)


def _duration(seconds: float) -> str:
    """As Go writes it: 850ms, 12.5s, 6m0s, 1h0m30s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    hours, rest = divmod(round(seconds, 1), 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours:.0f}h" if hours else ""
    text += f"{minutes:.0f}m" if hours or minutes else ""
    return f"{text}{rest:.3g}s"
