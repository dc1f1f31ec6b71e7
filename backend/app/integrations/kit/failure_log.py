"""What an upstream says when it fails, for the operator: callers are not shown it."""

import logging
import time
from collections.abc import Callable, Iterable

from app.wire.redact import redact

QUIET_SECONDS = 60.0
"""How long the same status is not told again."""

_LONGEST = 200

logger = logging.getLogger(__name__)


class FailureLog:
    """One line a status and minute. `secrets` are left out wherever a server repeats them."""

    def __init__(self, provider: str, secrets: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._secrets = tuple(secret for secret in secrets if secret)
        self._clock = clock
        self._told: dict[int, float] = {}

    def __call__(self, status: int, body: bytes) -> None:
        now = self._clock()
        if now - self._told.get(status, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._told[status] = now
        text = body.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        logger.warning(
            "%s answered with status %d: %s", self._provider, status, redact(text, _LONGEST) or "no text"
        )
