"""Which tokens are good here, and what their claims mean."""

from collections.abc import Mapping

import msgspec


class OidcRules(msgspec.Struct, frozen=True, kw_only=True):
    """`issuer` and `audience` are held against the claims to the letter. `skew`: seconds by which clocks may
    differ. `jwks_url`: where the signing keys are; None asks the issuer's discovery document.

    Claims are named as they stand, or as a path with dots: `realm_access.roles`. `role_names`: what the provider
    calls our roles; without one a value counts that is the name of a role. `default_roles`: of those without any.
    `key_lifetime`: seconds that a key may live which somebody issues with his token; None for no end.
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    skew: float = 30.0
    jwks_url: str | None = None
    roles_claim: str = "roles"
    groups_claim: str = "groups"
    team_claim: str | None = None
    role_names: Mapping[str, str] = {}
    default_roles: tuple[str, ...] = ()
    key_lifetime: float | None = None
