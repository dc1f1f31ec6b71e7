"""What is taken out of a text before people may read it, and what is left alone."""

import pytest

from app.core.redaction import Redactor
from app.domain.secrets import HIDDEN

KEYS = [
    "sk-proj-0123456789abcdef",
    "sk-ant-api03-0123456789",
    "sk-llmp-0123456789abcdefghijABCDEFGHIJ",
    "hf_0123456789abcdef",
    "gsk_0123456789abcdef",
    "nvapi-0123456789abcdef",
    "xai-0123456789abcdef",
    "AIzaSyA0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "glsa_0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "text", ["{}", "refused: {}.", "url?key={}&a=1", '{{"message": "key {} is bad"}}', "'{}'"]
)
def test_what_looks_like_a_key(key: str, text: str) -> None:
    told = Redactor()(text.format(key))
    assert key[-8:] not in told
    assert HIDDEN in told


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc123def", "abc123def"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("x-api-key: 0123456789", "0123456789"),
        ('{"api_key": "0123456789"}', "0123456789"),
        ("password=hunter2hunter2", "hunter2hunter2"),
        ("token=0123456789", "0123456789"),
        ("postgresql://user:hunter2@db/name", "hunter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
    ],
)
def test_what_stands_where_keys_do(text: str, secret: str) -> None:
    assert secret not in Redactor()(text)


@pytest.mark.parametrize(
    "text",
    [
        "openai_api req-1 chat model=fast target=ollama/llama attempts=2 outcome=ok ms=12.3 tokens=3+4",
        "trace=0af7651916cd43dd8448eb211c80319c",
        "a task-force at https://example.org/a?b=c asked for risk-free tokens",
        '{"input_tokens":12345678,"output_tokens":12345678}',
        "",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("correct horse battery", "said correct horse battery, twice: correct horse battery"),
        ('with "quotes"', '{"message": "with \\"quotes\\""}'),
        ("a/b+c=d&e", "https://host/?q=a%2Fb%2Bc%3Dd%26e"),
        ("naïve-secret", "naïve-secret"),
        ('naïve "secret"', '{"message": "naïve \\"secret\\""}'),
    ],
)
def test_what_is_known_to_be_one(secret: str, text: str) -> None:
    redact = Redactor([secret])
    assert secret not in redact(text)
    assert redact(text) != text


def test_a_short_one_is_not_looked_for() -> None:
    assert Redactor(["none"])("there is none") == "there is none"


def test_the_longest_goes_first_and_none_is_forgotten() -> None:
    redact = Redactor(["12345678"])
    redact.learn(["1234567890ab"])
    assert redact("x 1234567890ab 12345678 y") == f"x {HIDDEN} {HIDDEN} y"
