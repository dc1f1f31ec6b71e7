"""Who may call, beside the key of `server.api_key`: virtual keys, and people whom an identity provider knows."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from app.domain.roles import Role
from app.settings.quantities import Names, Seconds, listed
from app.settings.section import Section

SHORTEST_SECRET = 32

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""All with a public key: one that both sides hold could be used to make tokens as well as to check them."""


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} characters or more, such as `openssl rand -hex 32` gives")
    return value


def _safe_url(value: str) -> str:
    parts = urlsplit(value)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.scheme not in {"https", "http"} or (parts.scheme == "http" and not here):
        raise ValueError("must be an address with https, or one of this machine")
    return value


Url = Annotated[str, AfterValidator(_safe_url)]


class OidcSettings(Section):
    """`issuer` switches it on."""

    issuer: Url | None = Field(
        default=None, description="The identity provider (OpenID Connect) whose tokens are good here."
    )
    audience: Names = Field(default=(), description="What a token must be issued for, one of these. Needed.")
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(listed)] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA"), min_length=1, description="Signatures that are taken."
    )
    clock_skew: Annotated[Seconds, Field(ge=0, le=600)] = Field(
        default=30, description="How far the provider's clock may be from this one."
    )
    jwks_url: Url | None = Field(
        default=None, description="Where its signing keys are; by default where its discovery document says."
    )
    roles_claim: str = Field(
        default="roles", description="The claim that names roles, or a path to it such as `realm_access.roles`."
    )
    role_names: dict[str, Role] = Field(
        default={}, description="Which of its names mean which role; by default the roles' own names do."
    )
    default_roles: Annotated[tuple[Role, ...], BeforeValidator(listed)] = Field(
        default=(), description="Roles of those whom the claim gives none. Without any they may do nothing."
    )
    groups_claim: str = Field(default="groups", description="The claim that names groups.")
    team_claim: str | None = Field(default=None, description="The claim that names the team.")
    key_lifetime: Annotated[Seconds, Field(gt=0)] = Field(
        default=90 * 86400, description="How long a key may live, at most, that is issued with a token."
    )

    @model_validator(mode="after")
    def _says_for_whom(self) -> "OidcSettings":
        if self.issuer is not None and not self.audience:
            raise ValueError("audience is needed, or tokens for any other program of the provider would do")
        return self


class AuthSettings(Section):
    key_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None,
        description="What digests of virtual keys are made with; one is made in `data_dir` by default. "
        "Platforms that share a database need the same.",
    )
    metrics_token: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None, description="A token that is good for GET /metrics and nothing else, for Prometheus."
    )
    oidc: OidcSettings = OidcSettings()
