import pytest

from app.core.integration_framework.errors import (
    CallTimedOut,
    IntegrationAuthFailed,
    IntegrationConfigError,
    IntegrationImportFailed,
    IntegrationNotReady,
)
from app.core.integration_framework.meaning import SENTENCE_LIMIT, Meaning, meaning_of, sentence
from app.domain.errors import NotFound, UpstreamAuthFailed, UpstreamTimeout, UpstreamUnavailable


@pytest.mark.parametrize(
    ("error", "meaning", "text"),
    [
        (IntegrationNotReady("starting"), Meaning.NOT_READY, "starting"),
        (CallTimedOut("too slow"), Meaning.NOT_READY, "too slow"),
        (UpstreamUnavailable("no route"), Meaning.NOT_READY, "no route"),
        (UpstreamTimeout("silence"), Meaning.NOT_READY, "silence"),
        (UpstreamAuthFailed("bad key"), Meaning.NEEDS_PERSON, "bad key"),
        (IntegrationAuthFailed("bad key"), Meaning.NEEDS_PERSON, "bad key"),
        (IntegrationConfigError("no url"), Meaning.NEEDS_PERSON, "no url"),
        (IntegrationImportFailed("m:C cannot be imported"), Meaning.DEFECT, "m:C cannot be imported"),
        (NotFound("what"), Meaning.DEFECT, "NotFound: what"),
        (ValueError("two\n  lines"), Meaning.DEFECT, "ValueError: two lines"),
        (ValueError(), Meaning.DEFECT, "ValueError"),
        (IntegrationNotReady(), Meaning.NOT_READY, "IntegrationNotReady"),
    ],
    ids=repr,
)
def test_each_error_has_a_meaning_and_a_sentence(error: Exception, meaning: Meaning, text: str) -> None:
    assert (meaning_of(error), sentence(error)) == (meaning, text)


def test_a_sentence_is_short() -> None:
    assert len(sentence(ValueError("x" * 10_000))) == SENTENCE_LIMIT
