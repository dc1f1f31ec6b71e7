"""`llm-platform keys` and `llm-platform audit`, against a server."""

import json
import time

import pytest

from app.cli.times import duration, moment
from tests.unit.cli.conftest import Command, FakePlatform

KEY = {
    "object": "key",
    "id": "0123456789abcdef",
    "name": "note\x1bbook",
    "owner": "ann",
    "team": "red",
    "groups": ["a", "b"],
    "models": ["gpt-*"],
    "roles": ["user"],
    "tier": None,
    "parent": None,
    "metadata": {"x": "1"},
    "hint": "sk-llmp-…abcd",
    "status": "active",
    "created_at": 1.0,
    "created_by": "operator",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}
ISSUED = {**KEY, "key": "sk-llmp-secret"}
ID = KEY["id"]


def test_a_new_key_alone_is_on_standard_output(platform: FakePlatform, command: Command) -> None:
    platform.answer("POST /v1/keys", ISSUED)
    result = command(
        *("keys", "create", "--name", "n", "--owner", "ann", "--team", "red", "--group", "a", "--group", "b"),
        *("--model", "gpt-*", "--role", "user", "--tier", "gold", "--parent", "p", "--expires-in", "30d"),
        *("--metadata", "x=1", "--metadata", "y=a=b"),
    )
    assert (result.exit_code, result.stdout) == (0, "sk-llmp-secret\n")
    assert platform.asked[0].body == {
        **{"name": "n", "owner": "ann", "team": "red", "groups": ["a", "b"], "models": ["gpt-*"]},
        **{"roles": ["user"], "tier": "gold", "parent": "p", "expires_in": 30 * 86400.0},
        "metadata": {"x": "1", "y": "a=b"},
    }


def test_a_key_of_which_nothing_is_said(platform: FakePlatform, command: Command) -> None:
    platform.answer("POST /v1/keys", ISSUED)
    assert json.loads(command("keys", "create", "-o", "json").stdout) == ISSUED
    assert platform.asked[0].body == {}


def test_all_pages_are_listed(platform: FakePlatform, command: Command) -> None:
    first = {"data": [KEY], "has_more": True, "last_id": ID}
    platform.answer("GET /v1/keys?team=red&limit=200", first)
    platform.answer(f"GET /v1/keys?team=red&limit=200&after={ID}", {"data": [KEY], "has_more": False})
    head, _, *rows = command("keys", "list", "--team", "red").stdout.splitlines()
    assert head.split()[:4] == ["ID", "NAME", "KEY", "OWNER"]
    assert len(rows) == 2
    assert rows[0].split()[1:4] == ["note\N{REPLACEMENT CHARACTER}book", "sk-llmp-…abcd", "ann"]
    told = json.loads(command("keys", "list", "--team", "red", "-o", "json").stdout)
    assert told == {"keys": [KEY, KEY]}


def test_show(platform: FakePlatform, command: Command) -> None:
    platform.answer(f"GET /v1/keys/{ID}", KEY)
    shown = command("keys", "show", str(ID)).stdout
    for text in ("sk-llmp-…abcd", "gpt-*", "x=1", "never", "by operator"):
        assert text in shown


def test_update(platform: FakePlatform, command: Command) -> None:
    platform.answer(f"PATCH /v1/keys/{ID}", KEY)
    result = command("keys", "update", str(ID), "--name", "n", "--clear", "team", "--clear", "models")
    assert result.exit_code == 0
    command("keys", "update", str(ID), "--expires-in", "1h")
    assert platform.asked[0].body == {"name": "n", "team": None, "models": []}
    assert platform.asked[1].body["expires_at"] == pytest.approx(time.time() + 3600, abs=60)
    assert command("keys", "update", str(ID), "--clear", "owner").exit_code == 2
    assert command("keys", "update", str(ID), "--metadata", "x").exit_code == 2


def test_rotate_revoke_delete(platform: FakePlatform, command: Command) -> None:
    platform.answer(f"POST /v1/keys/{ID}/rotate", ISSUED)
    platform.answer(f"POST /v1/keys/{ID}/revoke", KEY)
    platform.answer(f"DELETE /v1/keys/{ID}", {"deleted": True})
    said = [command("keys", verb, str(ID)).stdout for verb in ("rotate", "revoke", "delete")]
    assert said == ["sk-llmp-secret\n", f"{ID} is revoked.\n", f"{ID} is deleted.\n"]
    assert platform.asked[0].body == {"overlap": 3600.0}


RECORD = {"id": 7, "at": 1.0, "actor": "operator", "action": "key.create", "object": "key:1", "front_end": "rest"}


def test_audit(platform: FakePlatform, command: Command) -> None:
    since = moment("2026-05-01", "--since")
    platform.answer(f"GET /v1/audit?action=key.&limit=2&since={since}", {"data": [RECORD], "has_more": True})
    result = command("audit", "list", "--action", "key.", "--since", "2026-05-01", "--last", "2")
    assert "key:1" in result.stdout
    platform.answers["GET /v1/audit/export?format=csv"] = (200, "text/csv", [b"id,at\r\n", b"7,1.0\r\n"])
    assert command("audit", "export", "--format", "csv").stdout_bytes == b"id,at\r\n7,1.0\r\n"


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text, "--x") == seconds


@pytest.mark.parametrize("arguments", [("--expires-in", "soon"), ("--expires-in", "-1h"), ("--expires-in", "1y")])
def test_what_is_no_duration(command: Command, arguments: tuple[str, ...]) -> None:
    assert command("keys", "create", *arguments).exit_code == 2


def test_what_is_no_time(command: Command) -> None:
    assert command("audit", "list", "--since", "yesterday").exit_code == 2
