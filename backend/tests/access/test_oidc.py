"""An identity provider beside the master key, or instead of it: its tokens by every front-end, and own keys."""

import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.accounts.keys.text import new_key
from app.accounts.oidc.signing_keys import SigningKeys
from app.domain.roles import RIGHTS, ROLES, Right
from tests.access.routes import DENIED, IN, STRANGER, UNAVAILABLE, ask
from tests.servers.identity_provider import AUDIENCE, IdentityProvider, identity_provider
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import MASTER, whole_platform

EACH = {
    "POST /v1/chat/completions": Right.ASK,
    "GET /integrations/status": Right.SEE_PLATFORM,
    "POST /admin/reload": Right.RUN_PLATFORM,
    "GraphQL Query.auditLog": Right.AUDIT,
    "gRPC llm_platform.v1.Inference/ChatUnary": Right.ASK,
    "gRPC llm_platform.v1.Metrics/GetMetrics": Right.SEE_PLATFORM,
    "WebSocket /ws/chat": Right.ASK,
    "WebSocket /ws/metrics": Right.SEE_PLATFORM,
}


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as found:
        yield found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def oidc(issuer: str, **fields: Any) -> dict[str, Any]:
    return {"oidc": {"issuer": issuer, "audience": [AUDIENCE], **fields}}


async def test_a_token_is_good_for_its_roles_everywhere(provider: IdentityProvider, tmp_path: Path) -> None:
    async with whole_platform(tmp_path, auth=oidc(provider.url)) as whole:
        for route, right in EACH.items():
            for role in ROLES:
                expected = IN if right in RIGHTS[role] else DENIED
                assert await ask(whole, route, bearer(provider.token(roles=[role]))) == expected, (route, role)
            assert await ask(whole, route, {"x-api-key": provider.token(roles=["admin"])}) == IN
            assert await ask(whole, route, bearer(provider.token(roles=[]))) == DENIED
            for bad in (provider.token(aud="another"), provider.token()[:-2], "eyJ.eyJ.x", new_key(), "wrong"):
                assert await ask(whole, route, bearer(bad)) == STRANGER
            assert await ask(whole, route, bearer(MASTER)) == IN
        assert len(provider.asked) <= 4


async def test_with_a_provider_alone_nobody_is_local(provider: IdentityProvider, tmp_path: Path) -> None:
    async with whole_platform(tmp_path, key=None, auth=oidc(provider.url)) as whole:
        for route in EACH:
            for headers in ({}, bearer("anything"), {"x-api-key": "none"}):
                assert await ask(whole, route, headers) == STRANGER
        assert (
            await get(whole.port, "/v1/models", {"Host": "any.example", **bearer(provider.token())})
        ).status == 200


async def test_what_is_ones_own_stays_with_the_next_token_and_with_a_key(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    async with whole_platform(tmp_path, auth=oidc(provider.url)) as whole:
        first, second = (bearer(provider.token(jti=str(n), groups=["research"])) for n in range(2))
        kept = (await post(whole.port, "/v1/responses", {"model": "echo", "input": "hi"}, first)).json()["id"]
        assert (await get(whole.port, f"/v1/responses/{kept}", second)).status == 200
        bob = bearer(provider.token(sub="bob"))
        assert (await get(whole.port, f"/v1/responses/{kept}", bob)).status == 404
        made = (await post(whole.port, "/v1/keys", {"name": "scripts"}, first)).json()
        assert (made["groups"], made["roles"]) == (["research"], ["user"])
        assert made["owner"].endswith(":ann")
        assert made["expires_at"] == pytest.approx(made["created_at"] + 90 * 86400, abs=5)
        assert (await post(whole.port, "/v1/keys", {"groups": ["gpu"]}, first)).status == 403
        assert [key["id"] for key in (await get(whole.port, "/v1/keys", second)).json()["data"]] == [made["id"]]
        assert (await get(whole.port, "/v1/keys", bob)).json()["data"] == []
        body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        assert (await post(whole.port, "/v1/chat/completions", body, {"x-api-key": made["key"]})).status == 200
        authenticate = whole.platform.policy.authenticator.authenticate
        own, keys = await authenticate(provider.token()), await authenticate(made["key"])
        assert own.holder == keys.holder  # so nobody has more of anything by issuing keys to himself


async def test_a_provider_that_is_away_is_doubt_not_refusal(provider: IdentityProvider, tmp_path: Path) -> None:
    provider.status = 503
    async with whole_platform(tmp_path, auth=oidc(provider.url)) as whole:
        for route in EACH:
            assert await ask(whole, route, bearer(provider.token())) == UNAVAILABLE
            assert await ask(whole, route, bearer(MASTER)) == IN


@pytest.mark.parametrize("step", ["find", "_known", "_ask_again"])
async def test_a_defect_lets_nobody_in(
    provider: IdentityProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("injected")

    async with whole_platform(tmp_path, auth=oidc(provider.url)) as whole:
        monkeypatch.setattr(SigningKeys, step, broken)
        for route in EACH:
            assert await ask(whole, route, bearer(provider.token(roles=["admin"]))) in {UNAVAILABLE, STRANGER}


async def test_a_reload_may_change_whom_to_believe(provider: IdentityProvider, tmp_path: Path) -> None:
    async with whole_platform(tmp_path, auth=oidc(provider.url)) as whole, identity_provider() as other:
        assert await ask(whole, "GET /v1/models", bearer(provider.token())) == IN
        file = tmp_path / "whole.yaml"
        file.write_text(file.read_text().replace(provider.url, other.url))
        await whole.platform.reload()
        assert await ask(whole, "GET /v1/models", bearer(provider.token())) == STRANGER
        assert await ask(whole, "GET /v1/models", bearer(other.token())) == IN


@pytest.fixture
def real_provider() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from oidc_provider_mock import User, run_server_in_thread

        with run_server_in_thread(user_claims=[User(sub="ann", claims={"groups": ["research"]})]) as server:
            yield f"http://localhost:{server.server_port}"


async def sign_in(provider: str) -> str:
    """As a browser does it for a program: the code flow, to its token."""
    back, program = "http://localhost/back", {"client_id": AUDIENCE, "client_secret": "any"}
    asking = {**program, "redirect_uri": back, "response_type": "code", "scope": "openid", "state": "s"}
    del asking["client_secret"]
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(f"{provider}/oauth2/authorize", params=asking, data={"sub": "ann"})
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        redeemed = {**program, "grant_type": "authorization_code", "code": code, "redirect_uri": back}
        found: str = (await browser.post(f"{provider}/oauth2/token", data=redeemed)).json()["id_token"]
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_somebody_who_signed_in_at_a_real_provider(real_provider: str, tmp_path: Path) -> None:
    async with whole_platform(tmp_path, auth=oidc(real_provider, default_roles=["user"])) as whole:
        token = await sign_in(real_provider)
        assert await ask(whole, "POST /v1/chat/completions", bearer(token)) == IN
        assert await ask(whole, "POST /admin/reload", bearer(token)) == DENIED
        assert (await whole.platform.policy.authenticator.authenticate(token)).id.endswith(":ann")
