"""Times as people type them."""

import re
from datetime import datetime

import typer

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def duration(text: str, option: str) -> float:
    """Seconds of "90", "15m", "12h", "30d"."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time such as 90s, 15m, 12h or 30d", param_hint=option)
    return float(match[1]) * _UNITS[match[2]]


def moment(text: str, option: str) -> float:
    """Unix seconds of "2026-05-01", "2026-05-01T12:30" (the time here, unless it says another zone)."""
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time such as 2026-05-01 or 2026-05-01T12:30", param_hint=option
        ) from None
