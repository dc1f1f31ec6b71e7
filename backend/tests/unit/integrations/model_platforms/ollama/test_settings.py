import pytest
from pydantic import SecretStr, ValidationError

from app.integrations.model_platforms.ollama.integration import DEFAULT_OLLAMAINTEGRATION_CONFIG
from app.integrations.model_platforms.ollama.settings import OllamaSettings


def test_the_default_configuration_is_the_documented_one() -> None:
    config = DEFAULT_OLLAMAINTEGRATION_CONFIG
    assert config.name == "ollama"
    assert config.settings == {"base_url": "http://localhost:11434", "timeout": 30}
    assert OllamaSettings(**config.settings) == OllamaSettings()


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "localhost:11434"},
        {"base_url": "ftp://localhost"},
        {"base_url": "http://"},
        {"base_url": "http://me:secret@host"},
        {"base_url": "http://host/?x=1"},
        {"timeout": 0},
        {"load_timeout": -1},
        {"num_ctx": 0},
        {"max_num_ctx": 8},
        {"keep_alive": "soon"},
        {"keep_alive": ""},
        {"model_refresh_interval": -1},
        {"headers": {"x y": "1"}},
        {"headers": {"x": "1\r\ny: 2"}},
        {"unknown": 1},
    ],
)
def test_bad_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OllamaSettings.model_validate(settings)


@pytest.mark.parametrize("value", ["5m", "1h30m", "-1s", "1.5h", "0", 0, -1, 90, 2.5, None])
def test_keep_alive(value: str | float | None) -> None:
    assert OllamaSettings(keep_alive=value).keep_alive == value


@pytest.mark.parametrize(
    ("base_url", "in_cloud"),
    [
        ("https://ollama.com", True),
        ("https://api.ollama.com/", True),
        ("http://localhost:11434", False),
        ("https://notollama.com", False),
        ("https://ollama.com.example.org", False),
    ],
)
def test_the_cloud_is_known_by_its_name(base_url: str, in_cloud: bool) -> None:
    assert OllamaSettings(base_url=base_url).in_cloud is in_cloud


def test_a_closing_slash_is_no_part_of_the_address() -> None:
    assert OllamaSettings(base_url="https://host/ollama/").base_url == "https://host/ollama"


def test_secrets_go_out_but_are_never_shown() -> None:
    settings = OllamaSettings(api_key=SecretStr("hidden-key"), headers={"x-proxy-token": "hidden-token"})
    assert settings.request_headers() == {"authorization": "Bearer hidden-key", "x-proxy-token": "hidden-token"}
    assert "hidden" not in repr(settings)
