"""Tokens of an identity provider over real sockets: which are good, which are not, and how its keys are kept."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import structs

from app.accounts.keys.trees import tree_of
from app.accounts.oidc.rules import OidcRules
from app.accounts.oidc.signing_keys import FRESH_SECONDS, PAUSE_SECONDS, TRUST_SECONDS
from app.accounts.oidc.verifier import KNOWN_SECONDS, TokenVerifier
from app.domain.errors import Unauthenticated, Unavailable
from app.testing.clock import VirtualClock
from tests.servers.asking import becomes
from tests.servers.identity_provider import AUDIENCE, IdentityProvider, SigningKey, identity_provider

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as found:
        yield found


def rules(provider: IdentityProvider, **fields: Any) -> OidcRules:
    return OidcRules(issuer=provider.url, audience=(AUDIENCE,), algorithms=ALGORITHMS, **fields)


def verifier(provider: IdentityProvider, clock: VirtualClock | None = None, **fields: Any) -> TokenVerifier:
    return TokenVerifier(rules(provider, **fields), clock or VirtualClock(time.time()))


def id_of(provider: IdentityProvider, subject: str) -> str:
    return f"oidc:{hashlib.sha256(provider.url.encode()).hexdigest()[:12]}:{subject}"


async def test_a_good_token_says_who_it_is_and_is_checked_once(provider: IdentityProvider) -> None:
    checking, token = verifier(provider, team_claim="team"), provider.token(groups=["a", "b"], team="red")
    assert checking.known(token) is None
    found = await checking.principal(token)
    assert (found.id, found.roles) == (id_of(provider, "ann"), {"user"})
    assert (found.groups, found.team) == (("a", "b"), "red")
    assert found.line == (tree_of(found.id),)
    assert checking.known(token) == found
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    assert checking.known(token[:-1]) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_each_algorithm_that_is_allowed(provider: IdentityProvider, algorithm: str) -> None:
    key = SigningKey("another", algorithm)
    provider.published.append(key.public())
    assert (await verifier(provider).principal(provider.token(key))).id == id_of(provider, "ann")
    others = tuple(each for each in ALGORITHMS if each != algorithm)
    narrow = TokenVerifier(structs.replace(rules(provider), algorithms=others), VirtualClock(time.time()))
    with pytest.raises(Unauthenticated):
        await narrow.principal(provider.token(key))


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def unsigned(provider: IdentityProvider) -> str:
    return jwt.encode(provider.claims(), None, "none")


def forged_with_the_public_key(provider: IdentityProvider) -> str:
    """Who takes the algorithm from the token takes the public key for a secret that both sides hold."""
    secret = provider.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = {"alg": "HS256", "typ": "JWT", "kid": provider.key.id}
    signed = b".".join(encoded(json.dumps(part).encode()) for part in (head, provider.claims()))
    return b".".join((signed, encoded(hmac.digest(secret, signed, "sha256")))).decode()


def with_other_claims(provider: IdentityProvider) -> str:
    head, _, signature = provider.token().split(".")
    claims = encoded(json.dumps(provider.claims(roles=["admin"])).encode()).decode()
    return ".".join((head, claims, signature))


now = time.time
BAD: dict[str, Callable[[IdentityProvider], str]] = {
    "unsigned": unsigned,
    "forged with the public key": forged_with_the_public_key,
    "other claims": with_other_claims,
    "another key": lambda provider: provider.token(SigningKey("key-1")),
    "a key that is not published": lambda provider: provider.token(SigningKey("unknown")),
    "expired": lambda provider: provider.token(exp=int(now()) - 31),
    "not yet": lambda provider: provider.token(nbf=int(now()) + 60),
    "issued tomorrow": lambda provider: provider.token(iat=int(now()) + 86400),
    "no end": lambda provider: provider.token(exp=None),
    "an end that is no number": lambda provider: provider.token(exp="never"),
    "another audience": lambda provider: provider.token(aud="another"),
    "no audience": lambda provider: provider.token(aud=None),
    "an audience that is no text": lambda provider: provider.token(aud=[1]),
    "another issuer": lambda provider: provider.token(iss="https://evil.example"),
    "an issuer with more": lambda provider: provider.token(iss=f"{provider.url}/"),
    "no subject": lambda provider: provider.token(sub=None),
    "an empty subject": lambda provider: provider.token(sub=""),
    "a subject that is no text": lambda provider: provider.token(sub=7),
    "what must be understood and is not": lambda provider: provider.token(headers={"crit": ["exp"]}),
    "three dots": lambda provider: "eyJ.eyJ.x",
    "no JSON": lambda provider: "eyJhbGciOiJSUzI1NiJ9.bm8ganNvbg.x",
    "far too long": lambda provider: provider.token(pad="x" * 20_000),
}


@pytest.mark.parametrize("bad", BAD)
async def test_what_is_no_good_token(provider: IdentityProvider, bad: str) -> None:
    clock = VirtualClock(time.time())
    checking, token = verifier(provider, clock), BAD[bad](provider)
    for _ in range(2):
        await clock.advance(PAUSE_SECONDS)
        with pytest.raises(Unauthenticated) as caught:
            await checking.principal(token)
        assert token not in caught.value.message
    assert checking.known(token) is None
    assert (await checking.principal(provider.token())).id == id_of(provider, "ann")


async def test_nobody_is_asked_for_the_sake_of_another_issuer_s_token(provider: IdentityProvider) -> None:
    checking = verifier(provider)
    for bad in ("another issuer", "unsigned", "forged with the public key", "three dots"):
        with pytest.raises(Unauthenticated):
            await checking.principal(BAD[bad](provider))
    assert provider.asked == []


async def test_a_token_names_no_place_to_fetch_its_key_from(provider: IdentityProvider) -> None:
    async with identity_provider() as evil:
        key = evil.key
        headers = {"jku": f"{evil.url}/keys", "jwk": key.public(), "x5u": f"{evil.url}/keys"}
        with pytest.raises(Unauthenticated):
            await verifier(provider).principal(provider.token(key, headers))
        assert evil.asked == []


async def test_clocks_may_differ_by_so_much(provider: IdentityProvider) -> None:
    late = provider.token(exp=int(now()) - 20, nbf=int(now()) + 20)
    assert (await verifier(provider).principal(late)).id == id_of(provider, "ann")
    with pytest.raises(Unauthenticated):
        await verifier(provider, skew=5.0).principal(late)


async def test_a_new_key_is_found_and_one_that_was_taken_back_is_forgotten(provider: IdentityProvider) -> None:
    clock = VirtualClock(now())
    checking, old = verifier(provider, clock), provider.key
    await checking.principal(provider.token())
    provider.key = SigningKey("key-2")
    provider.published = [provider.key.public()]
    with pytest.raises(Unavailable):  # too short a time after the last question to tell
        await checking.principal(provider.token(sub="bob"))
    await clock.advance(PAUSE_SECONDS)
    assert (await checking.principal(provider.token(sub="bob"))).id == id_of(provider, "bob")
    await clock.advance(PAUSE_SECONDS)
    with pytest.raises(Unauthenticated):
        await checking.principal(provider.token(old, sub="eve"))


async def test_a_key_that_was_taken_back_is_good_no_more_once_what_is_known_is_old(
    provider: IdentityProvider,
) -> None:
    clock = VirtualClock(now())
    checking, old = verifier(provider, clock), provider.key
    await checking.principal(provider.token())
    provider.published = [SigningKey("key-2").public()]
    await clock.advance(FRESH_SECONDS + 1)
    with pytest.raises(Unauthenticated):
        await checking.principal(provider.token(old, sub="eve"))


async def test_a_new_key_that_can_t_be_asked_for_is_doubt_not_refusal(provider: IdentityProvider) -> None:
    clock = VirtualClock(now())
    checking = verifier(provider, clock)
    await checking.principal(provider.token())
    provider.status, provider.key = 503, SigningKey("key-2")
    for seconds in (PAUSE_SECONDS * 2, 1.0):  # it is asked and does not answer, and it may not be asked again yet
        await clock.advance(seconds)
        with pytest.raises(Unavailable):
            await checking.principal(provider.token(sub="bob"))


async def test_a_provider_that_has_just_failed_keeps_nobody_waiting(provider: IdentityProvider) -> None:
    clock = VirtualClock(now())
    checking = verifier(provider, clock)
    await checking.principal(provider.token())
    await clock.advance(FRESH_SECONDS + 1)
    provider.status = 503
    await checking.principal(provider.token(sub="carol"))
    await clock.advance(PAUSE_SECONDS)
    provider.status, provider.hold = 200, asyncio.Event()
    assert (await checking.principal(provider.token(sub="bob"))).id == id_of(provider, "bob")
    provider.hold.set()
    await becomes(lambda: asked(provider, 5))


async def asked(provider: IdentityProvider, times: int) -> bool:
    return len(provider.asked) == times


async def test_a_flood_of_unknown_keys_is_one_question(provider: IdentityProvider) -> None:
    checking = verifier(provider)
    with pytest.raises(Unauthenticated):  # for its sake the library is loaded, in a thread, and nobody is asked
        await checking.principal(provider.token(iss="https://another.example"))
    tokens = [provider.token(headers={"kid": f"strange-{n}"}, sub=f"{n}") for n in range(50)]
    outcomes = await asyncio.gather(*(checking.principal(token) for token in tokens), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unauthenticated}
    assert len(provider.asked) == 2


async def test_while_the_provider_is_away_its_keys_are_trusted_for_a_while(
    provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.accounts")
    clock = VirtualClock(now())
    checking = verifier(provider, clock)
    await checking.principal(provider.token())
    provider.status = 503
    for _ in range(3):
        await clock.advance(TRUST_SECONDS / 4)
        assert (await checking.principal(provider.token(sub="bob"))).id == id_of(provider, "bob")
    await clock.advance(TRUST_SECONDS / 4 + 1)
    with pytest.raises(Unavailable):
        await checking.principal(provider.token(sub="carol"))
    provider.status = 200
    await clock.advance(PAUSE_SECONDS)
    assert (await checking.principal(provider.token(sub="carol"))).id == id_of(provider, "carol")
    assert len(caplog.records) == 2


async def test_a_provider_that_is_away_from_the_start_is_doubt_not_refusal(provider: IdentityProvider) -> None:
    provider.status = 500
    checking = verifier(provider)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await checking.principal(provider.token())
    assert len(provider.asked) == 1


LIES: dict[str, Callable[[IdentityProvider], None]] = {
    "a document of another issuer": lambda provider: setattr(provider, "issuer", "https://evil.example"),
    "keys at a place without TLS": lambda provider: setattr(provider, "jwks_url", "http://evil.example/keys"),
    "keys in a file": lambda provider: setattr(provider, "jwks_url", "file:///etc/passwd"),
    "no keys": lambda provider: setattr(provider, "published", None),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_a_provider_may_not_say(provider: IdentityProvider, lie: str) -> None:
    LIES[lie](provider)
    with pytest.raises(Unavailable):
        await verifier(provider).principal(provider.token())


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
        {"alg": "RS512"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": 7},
    ],
)
async def test_keys_that_sign_nothing_here(provider: IdentityProvider, change: dict[str, Any]) -> None:
    provider.published = [{**provider.key.public(), **change}]
    with pytest.raises(Unauthenticated):
        await verifier(provider).principal(provider.token())


async def test_which_of_several_keys_was_meant_is_no_guess(provider: IdentityProvider) -> None:
    token = provider.token(headers={"kid": None})
    assert (await verifier(provider).principal(token)).id == id_of(provider, "ann")  # there is one
    provider.published.append(SigningKey("key-2").public())
    with pytest.raises(Unauthenticated):
        await verifier(provider).principal(token)


async def test_a_checked_token_is_checked_again_after_a_while_and_ends_with_its_time(
    provider: IdentityProvider,
) -> None:
    clock = VirtualClock(now())
    checking = verifier(provider, clock)
    long, short = provider.token(exp=int(now()) + 9000), provider.token(exp=int(now()) + 60)
    for token in (long, short):
        await checking.principal(token)
    await clock.advance(95)  # its time, and what clocks may differ by
    assert checking.known(short) is None
    assert checking.known(long) is not None
    await clock.advance(KNOWN_SECONDS - 90)
    assert checking.known(long) is None


CLAIMS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({}, {"roles": ["admin", "nothing"]}, {"admin"}),
    ({}, {"roles": "viewer user"}, {"viewer", "user"}),
    ({}, {"roles": None}, set()),
    ({}, {"roles": {"admin": True}}, set()),
    ({}, {"roles": [["admin"], 1, None]}, set()),
    ({"default_roles": ("viewer",)}, {"roles": []}, {"viewer"}),
    ({"roles_claim": "realm_access.roles"}, {"realm_access": {"roles": ["operator"]}}, {"operator"}),
    ({"roles_claim": "realm_access.roles"}, {"realm_access": "operator"}, set()),
    ({"roles_claim": "https://x.example/roles"}, {"https://x.example/roles": ["user"]}, {"user"}),
    ({"role_names": {"llm-admins": "admin"}}, {"roles": ["llm-admins", "user"]}, {"admin"}),
    ({"role_names": {"llm-admins": "admin"}}, {"roles": ["admin"]}, set()),
]


@pytest.mark.parametrize(("wanted", "claims", "roles"), CLAIMS)
async def test_roles_by_their_claim(
    provider: IdentityProvider, wanted: dict[str, Any], claims: dict[str, Any], roles: set[str]
) -> None:
    principal = await verifier(provider, **wanted).principal(provider.token(**{"roles": None, **claims}))
    assert principal.roles == roles


async def test_a_subject_that_can_t_stand_in_a_log_is_known_by_its_digest(provider: IdentityProvider) -> None:
    checking = verifier(provider)
    for subject in ("line\nbreak", "x" * 201):
        found = (await checking.principal(provider.token(sub=subject))).id
        assert subject not in found
        marked = id_of(provider, f"sha256:{hashlib.sha256(subject.encode()).hexdigest()}")
        assert found == marked
        pretended = marked.removeprefix(id_of(provider, ""))
        assert (await checking.principal(provider.token(sub=pretended))).id != marked


async def test_another_issuer_s_subject_of_that_name_is_somebody_else(provider: IdentityProvider) -> None:
    async with identity_provider() as other:
        first, second = [await verifier(each).principal(each.token()) for each in (provider, other)]
    assert first.id != second.id
    assert first.holder != second.holder


async def test_how_long_keys_may_live_that_are_issued_with_a_token(provider: IdentityProvider) -> None:
    assert (await verifier(provider, key_lifetime=60.0).principal(provider.token())).grants_for == 60.0
