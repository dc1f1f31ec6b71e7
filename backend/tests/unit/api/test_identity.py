"""One extractor, one authenticator, and no way around them."""

import contextlib
import time
from statistics import median

import pytest

from app.accounts.keys.text import new_key
from app.api.identity import Authenticator, credential
from app.domain.errors import Unauthenticated, Unavailable


@pytest.mark.parametrize(
    ("authorization", "api_key", "found"),
    [
        (None, None, None),
        ("Bearer k", None, "k"),
        ("bearer  k ", None, "k"),
        (None, "k", "k"),
        ("Bearer k", "k", "k"),
        ("", "", None),
    ],
)
def test_where_a_key_is_found(authorization: str | None, api_key: str | None, found: str | None) -> None:
    assert credential(authorization, api_key) == found


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [("Basic dXNlcjpwYXNz", None), ("Bearer", None), ("Bearer ", None), ("k", None), ("Bearer a", "b")],
)
def test_what_is_no_credential_is_refused(authorization: str, api_key: str | None) -> None:
    with pytest.raises(Unauthenticated):
        credential(authorization, api_key)


@pytest.mark.parametrize("key", [None, "", "wrong", "master-key-", "MASTER-KEY", "master-ke", "ключ", "\udcff"])
async def test_only_the_exact_key_passes(key: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await Authenticator("master-key").authenticate(key)
    assert "master-key" not in str(caught.value)


async def test_the_right_key_is_the_operator_and_without_a_key_everybody_is_local() -> None:
    assert (await Authenticator("master-key").authenticate("master-key")).id == "operator"
    assert (await Authenticator(None).authenticate("anything")).id == "local"


async def test_what_looks_like_a_virtual_key_is_never_the_local_operator() -> None:
    """Also where no other key is asked for: its limits would be lost."""
    key = new_key()
    with pytest.raises(Unauthenticated):
        await Authenticator(None).authenticate(key[:-1])
    with pytest.raises(Unavailable):
        await Authenticator(None).authenticate(key)


async def test_a_master_key_may_look_like_a_virtual_one() -> None:
    key = new_key()
    assert (await Authenticator(key).authenticate(key)).id == "operator"


async def test_how_much_of_a_key_was_right_does_not_show_in_the_time() -> None:
    """The two are tried in turns, so that whatever else the machine does strikes both alike."""
    key = "k" * 64
    authenticator = Authenticator(key)
    took: dict[str, list[int]] = {"x" + key[1:]: [], key[:-1] + "x": []}
    for _ in range(3000):
        for wrong, times in took.items():
            began = time.perf_counter_ns()
            with contextlib.suppress(Unauthenticated):
                await authenticator.authenticate(wrong)
            times.append(time.perf_counter_ns() - began)
    first, last = (median(times) for times in took.values())
    assert 0.8 < first / last < 1.25
