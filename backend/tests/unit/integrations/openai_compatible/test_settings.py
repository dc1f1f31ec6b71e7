"""Where the API of a server stands, and what goes with each request."""

import pytest

from app.core.http import TransportSettings
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.servers import GENERIC
from app.integrations.model_platforms.openai_compatible.settings import OpenAICompatibleSettings


@pytest.mark.parametrize(
    ("kind", "settings", "root", "prefix"),
    [
        ("openai_compatible", {"base_url": "http://localhost:8000"}, "http://localhost:8000", "/v1"),
        ("openai_compatible", {"base_url": "http://localhost:8000/v1"}, "http://localhost:8000", "/v1"),
        ("openai_compatible", {"base_url": "http://localhost:8000/v1/"}, "http://localhost:8000", "/v1"),
        ("openai_compatible", {"base_url": "https://h/api/v3"}, "https://h/api", "/v3"),
        ("openai_compatible", {"base_url": "https://h/v1beta"}, "https://h", "/v1beta"),
        ("openai_compatible", {"base_url": "https://h/openai", "api_prefix": ""}, "https://h/openai", ""),
        ("openai_compatible", {"base_url": "http://v1"}, "http://v1", "/v1"),
        ("openai_compatible", {}, None, "/v1"),
        ("groq", {}, "https://api.groq.com/openai", "/v1"),
        ("groq", {"base_url": "http://proxy/openai/v1"}, "http://proxy/openai", "/v1"),
        ("azure_openai", {}, None, "/openai/v1"),
        ("azure_openai", {"base_url": "https://x.openai.azure.com/"}, "https://x.openai.azure.com", "/openai/v1"),
        (
            "azure_openai",
            {"base_url": "https://x.services.ai.azure.com/openai/v1/"},
            "https://x.services.ai.azure.com",
            "/openai/v1",
        ),
        ("zai", {}, "https://api.z.ai/api/paas", "/v4"),
        ("zai", {"base_url": "https://api.z.ai/api/coding/paas/v4"}, "https://api.z.ai/api/coding/paas", "/v4"),
        ("deepseek", {}, "https://api.deepseek.com", ""),
        ("deepseek", {"base_url": "https://api.deepseek.com/v1"}, "https://api.deepseek.com", "/v1"),
    ],
)
def test_root_and_api(kind: str, settings: dict[str, str], root: str | None, prefix: str) -> None:
    vendor = OpenAICompatibleSettings.model_validate(settings).vendor(CATALOGUE[kind])
    assert (vendor.base_url, vendor.prefix) == (root, prefix)


def test_what_is_set_adds_to_the_row_or_replaces_it() -> None:
    settings = OpenAICompatibleSettings(drop_params=frozenset({"seed"}), completions=True)
    vendor = settings.vendor(CATALOGUE["groq"])
    assert vendor.refused == CATALOGUE["groq"].refused | {"seed"}
    assert (vendor.completions, vendor.embeddings) == (True, False)
    assert OpenAICompatibleSettings().vendor(GENERIC).refused == frozenset()


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {}),
        ({"api_key": "not-needed"}, {}),
        ({"api_key": ""}, {}),
        ({"api_key": "k"}, {"authorization": "Bearer k"}),
        ({"api_keys": ["k"]}, {"authorization": "Bearer k"}),
        ({"api_keys": ["k", "l"], "headers": {"x-a": "b"}}, {"x-a": "b"}),
        ({"api_key": "k", "headers": {"x-a": "b"}}, {"authorization": "Bearer k", "x-a": "b"}),
        ({"api_key": "k", "headers": {"Authorization": "Basic z"}}, {"Authorization": "Basic z"}),
    ],
)
def test_request_headers(settings: dict[str, object], headers: dict[str, str]) -> None:
    assert OpenAICompatibleSettings.model_validate(settings).request_headers() == headers


def test_what_is_set_reaches_the_transport() -> None:
    settings = OpenAICompatibleSettings(
        ca_file="ca.pem",
        cert_file="me.pem",
        key_file="me.key",
        verify=False,
        first_byte_timeout=7,
        proxy="http://proxy:3128",
    )
    assert settings.transport() == TransportSettings(
        ca_file="ca.pem",
        client_cert_file="me.pem",
        client_key_file="me.key",
        verify=False,
        first_byte_timeout=7.0,
        proxy="http://proxy:3128",
    )


def test_no_secret_in_the_repr() -> None:
    secrets = {"api_keys": ["canary-1", "canary-2"], "headers": {"x": "canary"}, "proxy": "http://u:canary@proxy"}
    settings = OpenAICompatibleSettings.model_validate(secrets)
    assert "canary" not in f"{settings!r} {settings}"
