"""Integrations are told of every call once it is over, for as long as they serve, and can do no harm by it."""

from pathlib import Path

import pytest

from app.integrations.builtin import BUILTIN
from app.testing.listening import ListeningIntegration
from tests.servers.asking import chat
from tests.servers.whole_platform import Whole, whole_platform

LISTENERS = {
    "deaf": {"kind": "listening", "enabled": False},
    "fails": {"kind": "listening", "settings": {"fail": True}, "priority": 1},
    "hears": {"kind": "listening"},
}


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "listening", "app.testing.listening:ListeningIntegration")  # type: ignore[arg-type]


def heard(whole: Whole, name: str) -> list[tuple[str, str | None, str]]:
    listener = whole.platform.manager.get_integration(name)
    assert isinstance(listener, ListeningIntegration)
    return [(call.model, call.integration, call.outcome) for call in listener.calls]


async def test_each_call_is_told_once_whoever_else_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with whole_platform(tmp_path, key=None, integrations=LISTENERS) as whole:
        assert (await chat(whole.port, "echo")).status == 200
        assert (await chat(whole.port, "nothing-of-the-kind")).status == 404
        wanted = [("echo", "peer", "ok"), ("nothing-of-the-kind", None, "not_found")]
        assert heard(whole, "hears") == heard(whole, "fails") == wanted
        assert "on demand" in caplog.text


async def test_a_new_instance_takes_over(tmp_path: Path) -> None:
    async with whole_platform(tmp_path, key=None, integrations={"hears": LISTENERS["hears"]}) as whole:
        assert (await chat(whole.port, "echo")).status == 200
        await whole.platform.manager.restart("hears")
        assert heard(whole, "hears") == []
        assert (await chat(whole.port, "echo")).status == 200
        assert heard(whole, "hears") == [("echo", "peer", "ok")]
