"""GET /v1/requests/{id}/explain: who is told what, and that the reference says so."""

from typing import Any

import pytest

from app.api.identity import Authenticator
from app.domain.errors import UpstreamUnavailable
from app.domain.principal import Principal
from app.inference.explanation import AttemptTold, CandidateTold, Explanation, TokensTold
from app.testing.providers import ScriptedProvider
from tests.rest.gateway import CHAT, gateway
from tests.servers.raw_client import Reply, get, post


class ByName(Authenticator):
    """The key is the caller's name and, after a dash, a role beside that of users."""

    def __init__(self) -> None:
        super().__init__("some key")

    async def authenticate(self, key: str | None) -> Principal:
        name, _, role = (key or "").partition("-")
        return Principal(id=name, roles=frozenset({"user", role}))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def explain(port: int, id: str, key: str) -> Reply:
    return await get(port, f"/v1/requests/{id}/explain", bearer(key))


async def test_callers_are_told_of_their_own_requests_and_operators_of_all() -> None:
    async with gateway(authenticator=ByName()) as platform:
        answered = await post(platform.port, "/v1/chat/completions", CHAT, bearer("ann"))
        id = answered.headers["x-request-id"]
        told = await explain(platform.port, id, "ann")
        assert told.status == 200
        found = told.json()
        assert (found["id"], found["principal"], found["model"]) == (id, "ann", "model")
        assert found["attempts"][0]["target"] == "scripted/model"
        for key in ("root-admin", "ops-operator"):
            assert (await explain(platform.port, id, key)).json() == found
        others, nobodys = await explain(platform.port, id, "bob"), await explain(platform.port, "no-such", "bob")
        assert (others.status, nobodys.status) == (404, 404)
        assert others.body.replace(id.encode(), b"ID") == nobodys.body.replace(b"no-such", b"ID")


async def test_a_request_that_failed_is_told_too() -> None:
    async with gateway(ScriptedProvider([UpstreamUnavailable("It is away.")])) as platform:
        failed = await post(platform.port, "/v1/chat/completions", CHAT, {"x-request-id": "my-own"})
        assert failed.status == 503
        found = (await get(platform.port, "/v1/requests/my-own/explain")).json()
        assert (found["outcome"], found["error"]) == ("unavailable", "It is away.")
        assert found["attempts"][0]["message"] == "It is away."


@pytest.mark.parametrize("told", [Explanation, CandidateTold, AttemptTold, TokensTold])
async def test_the_reference_knows_each_field(told: Any) -> None:
    async with gateway() as platform:
        document = (await get(platform.port, "/openapi.json")).json()
    schema = document["components"]["schemas"][told.__name__]
    assert set(schema["properties"]) == set(told.__struct_fields__)
    answer = document["paths"]["/v1/requests/{id}/explain"]["get"]["responses"]["200"]
    reference = answer["content"]["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/Explanation"
