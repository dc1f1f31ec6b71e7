"""The bundled demo model is the file that its checksum names, and says of itself what the platform relies on.

What it answers is shown where the embedded runtime is tested.
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

DEMO = Path(str(files("app.integrations.model_platforms.local_models"))) / "demo"
MODEL = DEMO / "platform-demo.gguf"


@cache
def metadata() -> dict[str, object]:
    from gguf import GGUFReader

    return {key: field.contents() for key, field in GGUFReader(MODEL).fields.items()}


def test_the_file_is_the_one_whose_checksum_is_recorded() -> None:
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()

    assert (DEMO / "SHA256SUMS").read_text(encoding="ascii") == f"{digest}  {MODEL.name}\n"


def test_the_file_is_small_enough_to_ship() -> None:
    assert MODEL.stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("key", "want"),
    [
        ("general.architecture", "llama"),
        ("general.name", "llm-platform-demo"),
        ("general.license", "apache-2.0"),
        ("llama.context_length", 1024),
        ("tokenizer.ggml.add_bos_token", False),
    ],
)
def test_metadata(key: str, want: object) -> None:
    assert metadata()[key] == want


def test_description_calls_it_a_demo() -> None:
    assert "demo" in str(metadata()["general.description"])


@pytest.mark.parametrize("role", ["eos", "eot"])
def test_generation_ends_with_the_end_of_a_turn(role: str) -> None:
    tokens, end = metadata()["tokenizer.ggml.tokens"], metadata()[f"tokenizer.ggml.{role}_token_id"]

    assert isinstance(tokens, list)
    assert tokens.index("<|im_end|>") == end


def test_the_chat_template_is_the_one_beside_it() -> None:
    template = (DEMO / "chat_template.jinja").read_text(encoding="utf-8").strip()

    assert metadata()["tokenizer.chat_template"] == template
