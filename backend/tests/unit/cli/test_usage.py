"""`llm-platform usage`, against a server."""

import json

from tests.unit.cli.conftest import Command, FakePlatform

FIRST = {"team": "red", "requests": 3, "errors": 1, "cancelled": 0, "input_tokens": 70, "output_tokens": 5}
FIRST |= {"cached_tokens": 0, "cost": 0.0125}
SECOND = FIRST | {"team": "\x1b[2J", "cost": 0.0}
PATH = "GET /v1/usage?group_by=team&from=2026-01-01"


def answer(platform: FakePlatform) -> None:
    platform.answer(PATH, {"data": [FIRST], "next": "abc"})
    platform.answer(f"{PATH}&after=abc", {"data": [SECOND], "next": None})


def test_every_page_for_people(platform: FakePlatform, command: Command) -> None:
    answer(platform)
    result = command("usage", "--by", "team", "--from", "2026-01-01")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["TEAM", "REQUESTS", "ERRORS", "CANCELLED"]
    assert "$0.012500" in result.stdout
    assert "\x1b" not in result.stdout


def test_for_programs(platform: FakePlatform, command: Command) -> None:
    answer(platform)
    result = command("usage", "--by", "team", "--from", "2026-01-01", "--output", "json")
    assert json.loads(result.stdout) == [FIRST, SECOND]


def test_for_spreadsheets(platform: FakePlatform, command: Command) -> None:
    """Every page, and the head of the first alone."""
    path = "GET /v1/usage?group_by=team&format=csv"
    for request, row in ((path, b"red,3\r\n"), (f"{path}&after=abc", b'"a\r\nb",4\r\n')):
        platform.answers[request] = (200, "text/csv; charset=utf-8", [b"team,requests\r\n", row])
    platform.next_pages[path] = "abc"
    result = command("usage", "--by", "team", "--output", "csv")
    assert (result.exit_code, result.stdout_bytes) == (0, b'team,requests\r\nred,3\r\n"a\r\nb",4\r\n')


def test_what_is_no_csv_is_not_written(platform: FakePlatform, command: Command) -> None:
    platform.answers["GET /v1/usage?group_by=model&format=csv"] = (200, "text/html", [b"<html>"])
    result = command("usage", "--output", "csv")
    assert (result.exit_code, result.stdout) == (1, "")


def test_conditions(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/usage?group_by=model&model=gpt%2F5", {"data": [], "next": None})
    assert "Nothing was asked" in command("usage", "--where", "model=gpt/5").stdout
    assert command("usage", "--where", "gpt").exit_code == 2
    refused = command("usage", "--where", "bogus=1")
    assert (refused.exit_code, "front_end" in refused.stderr) == (2, True)
