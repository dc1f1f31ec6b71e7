"""What an exception from a plugin means. One table; which state follows is the supervisor's affair."""

from enum import Enum, auto

from app.core.integration_framework.errors import (
    CallTimedOut,
    IntegrationAuthFailed,
    IntegrationConfigError,
    IntegrationImportFailed,
    IntegrationNotReady,
)
from app.domain.errors import UpstreamAuthFailed, UpstreamError

SENTENCE_LIMIT = 300
"""Characters of an exception's text that a status shows."""


class Meaning(Enum):
    NOT_READY = auto()
    """Time may mend it."""
    NEEDS_PERSON = auto()
    """Said in so many words by the plugin."""
    DEFECT = auto()
    """Nobody foresaw it: its traceback is worth a log."""


# Read from the top: UpstreamAuthFailed is an UpstreamError too.
_MEANINGS: tuple[tuple[type[Exception], Meaning], ...] = (
    (IntegrationAuthFailed, Meaning.NEEDS_PERSON),
    (IntegrationConfigError, Meaning.NEEDS_PERSON),
    (UpstreamAuthFailed, Meaning.NEEDS_PERSON),
    (IntegrationNotReady, Meaning.NOT_READY),
    (CallTimedOut, Meaning.NOT_READY),
    (UpstreamError, Meaning.NOT_READY),
)


def meaning_of(error: Exception) -> Meaning:
    return next((meaning for kind, meaning in _MEANINGS if isinstance(error, kind)), Meaning.DEFECT)


def sentence(error: Exception) -> str:
    """One line for a status: the text alone where it was written for people, else behind the error's type."""
    text = " ".join(str(error).split())
    if meaning_of(error) is Meaning.DEFECT and not isinstance(error, IntegrationImportFailed):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (text or type(error).__name__)[:SENTENCE_LIMIT]
