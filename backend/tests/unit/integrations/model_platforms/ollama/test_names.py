import pytest

from app.domain.errors import InvalidRequest
from app.integrations.model_platforms.ollama.names import canonical, check


@pytest.mark.parametrize(
    "name",
    [
        "llama3.2",
        "qwen3:8b",
        "namespace/model:tag",
        "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
        "localhost:5000/library/model",
        "gpt-oss:120b-cloud",
    ],
)
def test_names(name: str) -> None:
    assert check(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../model",
        "a/../b",
        "a/b/c/d",
        "model:",
        ":tag",
        "mo del",
        "model\n",
        "model\x00",
        "a\\b",
        "modèle",
        "m" * 81,
        "model:tag:tag",
        "-model",
    ],
)
def test_no_names(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(name)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("llama3.2", "llama3.2:latest"),
        ("Llama3.2:latest", "llama3.2:latest"),
        ("host:5000/n/Model", "host:5000/n/model:latest"),
        ("qwen3:8B", "qwen3:8b"),
    ],
)
def test_canonical(name: str, want: str) -> None:
    assert canonical(name) == want
