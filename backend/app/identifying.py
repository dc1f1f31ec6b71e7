"""From the settings of who may call to what tells them."""

from collections.abc import Callable
from functools import partial

from app.accounts.accounts import Accounts
from app.accounts.keys.digests import Digests, digests_of
from app.accounts.oidc.rules import OidcRules
from app.accounts.oidc.verifier import TokenVerifier
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.api.refusals import Refusals
from app.core.data_folder import data_folder
from app.settings import Settings


class Authenticators:
    """Makes the authenticator of each configuration. What is known of tokens, and the counts of refusals, stay."""

    def __init__(self, accounts: Accounts) -> None:
        self.refusals = Refusals()
        self._accounts = accounts
        self._tokens: TokenVerifier | None = None

    def of(self, settings: Settings) -> Authenticator:
        key, rules = settings.server.api_key, oidc_rules(settings)
        if rules != (self._tokens.rules if self._tokens else None):
            self._tokens = TokenVerifier(rules) if rules else None
        token = settings.auth.metrics_token
        return Authenticator(
            key.get_secret_value() if key else None,
            self._accounts,
            self._tokens,
            self.refusals,
            metrics_token=token.get_secret_value() if token else None,
        )


def api_policy(authenticators: Authenticators, settings: Settings) -> ApiPolicy:
    return ApiPolicy(
        authenticator=authenticators.of(settings),
        body_bytes=settings.limits.body_bytes,
        json_depth=settings.limits.json_depth,
        comment_seconds=settings.timeouts.keep_alive_comment,
        origins=settings.server.cors_origins,
    )


def digests(settings: Settings) -> Callable[[], Digests]:
    """What reads, or makes, the secret behind the digests of keys, once it is needed."""
    secret = settings.auth.key_secret
    folder = settings.data_dir or data_folder()
    return partial(digests_of, secret.get_secret_value() if secret else None, folder)


def oidc_rules(settings: Settings) -> OidcRules | None:
    """None where no identity provider is configured."""
    wanted = settings.auth.oidc
    if wanted.issuer is None:
        return None
    return OidcRules(
        issuer=wanted.issuer,
        audience=wanted.audience,
        algorithms=wanted.algorithms,
        skew=wanted.clock_skew,
        jwks_url=wanted.jwks_url,
        roles_claim=wanted.roles_claim,
        groups_claim=wanted.groups_claim,
        team_claim=wanted.team_claim,
        role_names=wanted.role_names,
        default_roles=wanted.default_roles,
        key_lifetime=wanted.key_lifetime,
    )
