"""Making a provider's error text fit for a caller's eyes."""

import re

from app.domain.secrets import HIDDEN, LOOKS_LIKE_ONE

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SECRETS = re.compile(rf"(?ix){LOOKS_LIKE_ONE} | \b(?=\w*\d)(?=\w*[a-z])\w{{32,}}")
_SCANNED = 4096


def redact(text: str, limit: int = 500) -> str:
    """At most `limit` characters of `text` on one line, with everything that looks like a key left out."""
    plain = _CONTROLS.sub(" ", text[:_SCANNED]).strip()
    plain = _SECRETS.sub(HIDDEN, plain)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
