"""Each value stands beside where it came from."""

from pathlib import Path

import pytest

from app.settings import Origin, load_settings
from app.settings.explain import changes, explain


def test_every_setting_has_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("llm-platform.yaml").write_text(
        "models:\n  llama3.1: a/b\nintegrations:\n  a: {settings: {one: 1}, dependencies: [b]}\n  b:\n"
    )
    rows = {row.field: row for row in explain(load_settings(None, {"LOG_LEVEL": "debug"}, {"server.port": 9}))}
    assert rows["log_level"][1:] == ("debug", Origin("environment", "LOG_LEVEL"))
    assert rows["server.port"][1:] == (9, Origin("command line", "--port"))
    assert rows["server.host"][1:] == ("127.0.0.1", Origin("default"))
    assert rows["integrations.a.settings.one"][1:] == (1, Origin("file", "llm-platform.yaml:4"))
    assert rows["integrations.a.dependencies"][1:] == (["b"], Origin("file", "llm-platform.yaml:4"))
    assert rows["integrations.b.enabled"][1:] == (True, Origin("default"))
    assert rows['models."llama3.1"'].value == {"targets": [{"target": "a/b"}]}
    assert rows['models."llama3.1"'].origin == Origin("file", "llm-platform.yaml:2")


def test_what_a_change_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("llm-platform.yaml")
    file.write_text(
        "log_level: debug\nmodels: {one: a/b, two: a/c}\nintegrations: {a: {settings: {api_key: k1}}}\n"
    )
    before = load_settings(None, {}, {})
    file.write_text("models: {one: a/d, three: a/e}\nintegrations: {a: {settings: {api_key: k2}}}\n")
    target = {"targets": [{"target": "a/c"}]}
    assert changes(before, before) == {}
    assert changes(before, load_settings(None, {}, {})) == {
        "log_level": {"before": "debug", "after": "info"},
        "models.one": {"before": {"targets": [{"target": "a/b"}]}, "after": {"targets": [{"target": "a/d"}]}},
        "models.three": {"before": None, "after": {"targets": [{"target": "a/e"}]}},
        "models.two": {"before": target, "after": None},
    }
