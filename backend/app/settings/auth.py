"""Who may call, beside the key of `server.api_key`: the secret behind virtual keys."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from app.settings.section import Section

SHORTEST_SECRET = 32


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} characters or more, such as `openssl rand -hex 32` gives")
    return value


class AuthSettings(Section):
    key_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None,
        description="What digests of virtual keys are made with; one is made in `data_dir` by default. "
        "Platforms that share a database need the same.",
    )
