"""How a caller stands with its limits, in the headers of the dialects.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://platform.claude.com/docs/en/api/rate-limits#response-headers
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from app.api.head import headers_in, lines_of
from app.domain.limits import Standing, Unit

_TOKENS: tuple[Unit, ...] = ("tokens", "input_tokens", "output_tokens")
_LINES = b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"
_OPENAI_REQUESTS, _OPENAI_TOKENS = (_LINES % (kind, kind, kind) for kind in (b"requests", b"tokens"))


def openai_headers(standings: Sequence[Standing]) -> bytes:
    """As lines. Of several limits of one kind the one that is nearest to being reached."""
    requests = tokens = None
    for standing in standings:
        unit = standing.rate.unit
        if unit == "requests":
            if requests is None or _share(standing) < _share(requests):
                requests = standing
        elif unit != "concurrent" and (tokens is None or _share(standing) < _share(tokens)):
            tokens = standing
    lines = b""
    if requests is not None:
        lines = _OPENAI_REQUESTS % (requests.rate.limit, requests.remaining, _duration(requests.reset))
    if tokens is not None:
        lines += _OPENAI_TOKENS % (tokens.rate.limit, tokens.remaining, _duration(tokens.reset))
    return lines


def anthropic_headers(standings: Sequence[Standing]) -> bytes:
    """As lines, for each kind of limit."""
    headers: list[tuple[bytes, bytes]] = []
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
    return lines_of(headers)


def metadata(standings: Sequence[Standing]) -> tuple[tuple[str, str], ...]:
    """The first of them as gRPC's metadata."""
    return tuple((name.decode(), value.decode()) for name, value in headers_in(openai_headers(standings)))


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
