"""What a key looks like, and what is kept of it."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.accounts.keys.digests import FILE, Digests, digests_of
from app.accounts.keys.text import PREFIX, hint_of, is_key, new_key

KEY = new_key()


def test_scanners_can_find_it_and_no_two_are_alike() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch(r"sk-llmp-[0-9A-Za-z]{49}", key) and is_key(key) for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        KEY[:-1],
        f"{KEY}0",
        KEY.upper(),
        KEY.replace(PREFIX, "sk-"),
        f"{KEY[:-1]}é",
        f" {KEY}",
        f"{KEY}\n",
    ],
    ids=["", "prefix", "short", "long", "upper", "other", "foreign", "space", "line"],
)
def test_what_is_none(text: str) -> None:
    assert not is_key(text)


def test_one_wrong_letter_is_seen() -> None:
    for place in range(len(PREFIX), len(KEY)):
        other = "0" if KEY[place] != "0" else "1"
        assert not is_key(KEY[:place] + other + KEY[place + 1 :])


def test_a_hint_holds_checksum_alone() -> None:
    assert hint_of(KEY) == f"sk-llmp-…{KEY[-4:]}"


def test_a_digest_depends_on_every_letter_and_on_the_secret() -> None:
    digests, others = Digests(b"a" * 32), Digests(b"b" * 32)
    assert len(digests.of(KEY)) == 32
    assert digests.of(KEY) == digests.of(KEY)
    assert digests.of(KEY) not in {digests.of(KEY + "x"), digests.of(KEY[:-1]), others.of(KEY)}
    assert digests.secret_id != others.secret_id
    assert digests.of("\udcff")  # whatever bytes came in a header


def test_the_secret_is_made_once_and_is_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: digests_of(None, folder).secret_id, range(8)))
    assert len(found) == 1
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == [FILE]
    assert digests_of(None, folder).secret_id in found


def test_a_secret_that_was_set_needs_no_file(tmp_path: Path) -> None:
    assert digests_of("s" * 40, tmp_path).secret_id == Digests(b"s" * 40).secret_id
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "zz", "ab" * 31])
def test_a_file_that_holds_no_secret_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ValueError, match=r"short|hex"):
        digests_of(None, tmp_path)
    assert (tmp_path / FILE).read_text() == content
