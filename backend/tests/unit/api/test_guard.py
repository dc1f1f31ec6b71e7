"""Who may knock at a platform that has no key."""

import pytest

from app.api.guard import stranger
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy

HERE = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", ""]
ELSEWHERE = ["10.0.0.9", "192.168.1.5", "fe80::1", "::ffff:10.0.0.9", "::"]


def policy(key: str | None) -> ApiPolicy:
    return ApiPolicy(authenticator=Authenticator(key), body_bytes=1, json_depth=1, comment_seconds=1.0)


@pytest.mark.parametrize("peer", [*HERE, *ELSEWHERE])
def test_without_a_key_he_must_connect_from_this_machine(peer: str) -> None:
    refused = stranger({"client": (peer, 5000)}, {b"host": b"localhost"}, policy(None))
    assert (refused is None) == (peer in HERE)
    assert stranger({"client": (peer, 5000)}, {}, policy("sk-test")) is None


def test_who_comes_by_a_unix_socket_is_here() -> None:
    assert stranger({"client": None}, {}, policy(None)) is None
