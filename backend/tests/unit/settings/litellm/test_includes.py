"""`include`: lists are joined, everything else is replaced, and each line keeps its file."""

from pathlib import Path

import pytest

from app.settings import ConfigError, load_settings

MAIN = Path("config.yaml")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**files: str) -> None:
    for name, text in files.items():
        path = Path(name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def model(name: str, rest: str = "") -> str:
    return f"model_list:\n- model_name: {name}\n  litellm_params: {{model: ollama/{name}{rest}}}\n"


def test_files_are_joined() -> None:
    write(
        config="include: [more/one.yaml, two.yaml]\nrouter_settings: {num_retries: 1}\n" + model("a"),
        more__one="include: three.yaml\n" + model("b", ", rpm: many"),
        more__three=model("c") + "router_settings: {allowed_fails: 1}\n",
        two=model("a"),
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(MAIN, {}, {})
    assert str(caught.value) == (
        "more/one.yaml:4: models.b.targets[0].requests_per_minute: must be an integer (got 'many')"
    )
    write(more__one="include: three.yaml\n" + model("b"))
    loaded = load_settings(MAIN, {}, {})
    assert {name: len(each.targets) for name, each in loaded.settings.models.items()} == {"a": 2, "b": 1, "c": 1}
    assert (loaded.settings.routing.retries, loaded.settings.routing.breaker.failures) == (2, 2)
    assert loaded.origin("routing.breaker.failures").where == "more/three.yaml:4"
    assert loaded.origin("models.a.targets[1].target").where == "two.yaml:3"


def test_a_file_that_includes_itself_counts_once() -> None:
    write(config="include: [config.yaml, two.yaml]\n" + model("a"), two="include: config.yaml\n" + model("b"))
    assert [len(each.targets) for each in load_settings(MAIN, {}, {}).settings.models.values()] == [1, 1]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("[gone.yaml]", "config.yaml:1: include: gone.yaml: cannot be read: No such file or directory"),
        ("{a: b}", "config.yaml:1: include: must name a file, or a list of files"),
        ("[1]", "config.yaml:1: include: must name a file, or a list of files"),
    ],
)
def test_what_cannot_be_included(include: str, message: str) -> None:
    write(config=f"include: {include}\nmodel_list: []")
    with pytest.raises(ConfigError) as caught:
        load_settings(MAIN, {}, {})
    assert str(caught.value) == message


def test_faults_of_an_included_file_name_it() -> None:
    write(config="include: two.yaml\nmodel_list: []", two="a: [")
    with pytest.raises(ConfigError, match=r"^config\.yaml:1: include: two\.yaml:1: is not valid YAML: "):
        load_settings(MAIN, {}, {})
