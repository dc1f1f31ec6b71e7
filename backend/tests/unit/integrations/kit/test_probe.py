"""The list of models: looked at when it is old, told of when it has changed."""

import pytest

from app.domain.errors import UpstreamUnavailable
from app.domain.models import ModelInfo
from app.integrations.kit.probe import ModelList, Models

A, B = ModelInfo(id="a", provider="p"), ModelInfo(id="b", provider="p")


class Listing:
    """What the upstream answers, in order; the last answer stays."""

    def __init__(self, *answers: Models | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.told = 0
        self.now = 100.0

    async def fetch(self) -> Models:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def changed(self) -> None:
        self.told += 1

    def list(self, max_age: float = 10.0) -> ModelList:
        return ModelList(self.fetch, self.changed, max_age, lambda: self.now)


async def test_only_a_real_change_is_told() -> None:
    listing = Listing((A,), (ModelInfo(id="a", provider="p"),), (A, B))
    models = listing.list()
    assert models() == ()
    for told, known in ((1, (A,)), (1, (A,)), (2, (A, B))):
        await models.refresh()
        assert (listing.told, models()) == (told, known)


async def test_it_looks_again_when_the_list_is_old() -> None:
    listing = Listing((A,))
    models = listing.list(max_age=10.0)
    for now, asked in ((100.0, 1), (109.9, 1), (110.0, 2)):
        listing.now = now
        await models.refresh_if_old()
        assert listing.asked == asked


async def test_a_failed_look_keeps_the_list_and_is_made_up_for() -> None:
    listing = Listing((A,), UpstreamUnavailable("down"), (B,))
    models = listing.list(max_age=10.0)
    await models.refresh()
    listing.now += 10.0
    with pytest.raises(UpstreamUnavailable):
        await models.refresh_if_old()
    assert models() == (A,)
    await models.refresh_if_old()
    assert models() == (B,)
