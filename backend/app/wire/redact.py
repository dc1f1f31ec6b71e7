"""Making a provider's error text fit for a caller's eyes."""

import re

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SECRETS = re.compile(
    r"""(?ix)
    \b(?:bearer|basic)\s+\S+
    | \b(?:api[-_ ]?key|token|authorization|password|secret)["']?\s*[=:]\s*["']?[^\s"',;&]{6,}
    | \b(?:sk[-_]|gsk_|csk-|hf_|nvapi-|xai-|pplx-|r8_|tgp_|ghp_|glpat-)[\w*.-]{4,}
    | \bAIza[\w-]{10,}
    | \beyJ[\w-]{8,}(?:\.[\w-]+)*
    | \b(?=\w*\d)(?=\w*[a-z])\w{32,}
    """
)
_SCANNED = 4096


def redact(text: str, limit: int = 500) -> str:
    """At most `limit` characters of `text` on one line, with everything that looks like a key left out."""
    plain = _CONTROLS.sub(" ", text[:_SCANNED]).strip()
    plain = _SECRETS.sub("[redacted]", plain)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
