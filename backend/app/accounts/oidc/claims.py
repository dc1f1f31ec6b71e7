"""From the claims of a good token to a principal."""

import hashlib
from collections.abc import Mapping
from typing import Any

from app.accounts.keys.trees import tree_of
from app.accounts.oidc.rules import OidcRules
from app.domain.errors import Unauthenticated
from app.domain.principal import Principal
from app.domain.roles import ROLES

MOST_WORDS, LONGEST_WORD = 200, 255
LONGEST_SUBJECT = 200
_DIGESTED = "sha256:"


def principal_of(claims: Mapping[str, Any], rules: OidcRules) -> Principal:
    """Raises Unauthenticated for a token without a subject."""
    # A subject is the issuer's own: another issuer's of that name is somebody else.
    id = f"oidc:{_digest(rules.issuer)[:12]}:{_subject(claims.get('sub'))}"
    return Principal(
        id=id,
        roles=_roles(_found(claims, rules.roles_claim), rules),
        groups=_words(_found(claims, rules.groups_claim)),
        team=_word(_found(claims, rules.team_claim)) if rules.team_claim else None,
        # Who issues keys to himself has no more of anything by that.
        line=(tree_of(id),),
        grants_for=rules.key_lifetime,
    )


def _subject(value: object) -> str:
    """As it is, if it can stand in logs and in a column; else its digest."""
    if not isinstance(value, str) or not value:
        raise Unauthenticated("The token names no subject.", code="invalid_api_key")
    if len(value) <= LONGEST_SUBJECT and value.isprintable() and not value.startswith(_DIGESTED):
        return value
    return _DIGESTED + _digest(value)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _roles(value: object, rules: OidcRules) -> frozenset[str]:
    names = (rules.role_names.get(word, "" if rules.role_names else word) for word in _words(value))
    return frozenset(name for name in names if name in ROLES) or frozenset(rules.default_roles)


def _found(claims: Mapping[str, Any], name: str) -> object:
    """A claim whose own name has dots is found, too: some providers' are URLs."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _words(value: object) -> tuple[str, ...]:
    """A list, or words with spaces between, as in `scope`."""
    found = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(word for each in found[:MOST_WORDS] if (word := _word(each)))


def _word(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and value.isprintable():
        return value
    return None
