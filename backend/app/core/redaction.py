"""Takes secrets out of what is about to be written where people read: the log, traces.

What leaves the platform was written with care already; this is for what nobody thought of, such as a library's
line or the text of an exception.
"""

import json
from collections.abc import Iterable
from urllib.parse import quote

from app.domain.secrets import HIDDEN, SECRET

SHORTEST = 8
"""Of a secret that is looked for by itself: a shorter one would stand in many an innocent word."""

_HINTS = (
    *("bearer ", "basic ", "sk-", "sk_", "hf_", "aiza", "eyj", "://", "akia"),
    *("nvapi-", "xai-", "pplx-", "r8_", "tgp_", "ghp_", "glpat-", "glsa_"),
    *("api_key", "api-key", "apikey", "api key", "authorization", "passw", "secret"),
    *("token=", "token:", 'token"', "token'", "token "),
)
"""In lower case. Without one of these in a text there is none of the patterns in it: looking for them takes a
fraction of the time."""


class Redactor:
    """Knows secrets by themselves, and what others look like."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known: tuple[str, ...] = ()
        self.learn(known)

    def learn(self, secrets: Iterable[str]) -> None:
        """They stay secret, whatever comes in their place. The longest are taken out first: one may be a part of
        another.
        """
        found = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        self._known = tuple(sorted({*self._known, *found}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        plain = text.lower()
        for hint in _HINTS:
            if hint in plain:
                return SECRET.sub(HIDDEN, text)
        return text


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, in JSON, in an address, in Python's own form."""
    in_json = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return secret, *in_json, quote(secret, safe=""), repr(secret)[1:-1]


redact = Redactor()
"""One for the process, as the log is. Whoever reads the settings tells it of their secrets."""
