"""Who may do what, over HTTP and over sockets."""

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from app.api.identity import Authenticator
from app.domain.principal import Principal
from tests.graphql.client import connected, dialled
from tests.graphql.gateway import BEARER, KEY, configs, gateway

QUERY = "{ models { id } }"
WRONG = [
    {},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Basic {KEY}"},
    {"Authorization": f"Bearer {KEY}x"},
    {"x-api-key": "wrong"},
    {"Authorization": f"Bearer {KEY}", "x-api-key": "other"},
]
RIGHT = [BEARER, {"x-api-key": KEY}, {"Authorization": f"Bearer {KEY}", "x-api-key": KEY}]


class Reader(Authenticator):
    """Everybody is somebody without the role of an administrator."""

    def __init__(self) -> None:
        super().__init__(KEY)

    async def authenticate(self, key: str | None) -> Principal:
        await super().authenticate(key)
        return Principal(id="reader")


@pytest.mark.parametrize("headers", WRONG)
async def test_without_the_key_nothing_is_told(headers: dict[str, str]) -> None:
    async with gateway(key=KEY, developing=True) as platform:
        for query in (QUERY, "{ __typename }", "{ __schema { types { name } } }", "{", ""):
            reply = await platform.ask(query, headers=headers)
            assert reply.status == 401
            [error] = reply.json()["errors"]
            assert (error["extensions"]["code"], error["extensions"]["type"]) == (
                "UNAUTHENTICATED",
                "invalid_api_key",
            )
            assert KEY.encode() not in reply.body


@pytest.mark.parametrize("headers", RIGHT)
async def test_the_key_opens_http(headers: dict[str, str]) -> None:
    async with gateway(key=KEY) as platform:
        assert (await platform.ask(QUERY, headers=headers)).json()["data"]


@pytest.mark.parametrize("sent", WRONG)
@pytest.mark.parametrize("where", ["headers", "payload"])
async def test_a_socket_without_the_key_is_closed(sent: dict[str, str], where: str) -> None:
    headers, payload = (sent, None) if where == "headers" else (None, sent)
    async with gateway(key=KEY) as platform, dialled(platform.url, headers=headers) as client:
        await client.send(type="connection_init", payload=payload)
        code, reason = await client.closed()
        assert code == 4403
        assert KEY not in reason


@pytest.mark.parametrize("sent", RIGHT)
@pytest.mark.parametrize("where", ["headers", "payload", "both"])
async def test_the_key_opens_a_socket(sent: dict[str, str], where: str) -> None:
    async with gateway(key=KEY) as platform:
        headers = None if where == "payload" else sent
        async with connected(platform.url, None if where == "headers" else sent, headers=headers) as client:
            await client.subscribe(QUERY)
            assert (await client.until_end())[-1]["type"] == "complete"


@pytest.mark.parametrize(
    "payload", [{"authorization": 1}, {"x-api-key": [KEY]}, {"authorization": "Bearer other"}]
)
async def test_two_keys_that_differ_and_keys_that_are_no_text_are_refused(payload: object) -> None:
    async with gateway(key=KEY) as platform, dialled(platform.url, headers=BEARER) as client:
        await client.send(type="connection_init", payload=payload)
        assert (await client.closed())[0] == 4403


MUTATIONS = ['loadModel(id: "shelf/shelved")', 'unloadModel(id: "shelf/shelved")']


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_only_administrators_load_models(mutation: str) -> None:
    async with gateway(authenticator=Reader()) as platform:
        reply = await platform.ask(f"mutation {{ {mutation} {{ id }} }}", headers=BEARER)
        [error] = reply.json()["errors"]
        assert error["extensions"]["code"] == "PERMISSION_DENIED"
        assert not platform.context.manager.get_integration("shelf").loaded  # type: ignore[attr-defined]
        async with connected(platform.url, BEARER) as client:
            await client.subscribe(f"mutation {{ {mutation} {{ id }} }}")
            end = await client.receive()
            assert end["payload"][0]["extensions"]["code"] == "PERMISSION_DENIED"


async def test_one_sees_ones_own_requests_and_administrators_see_all() -> None:
    generate = 'mutation { generateText(model: "model", prompt: "hi") { id } }'
    for authenticator, shown in ((Reader(), 1), (Authenticator(KEY), 2)):
        async with gateway(authenticator=authenticator) as platform:
            await platform.ask(generate, headers=BEARER)
            [mine] = platform.context.recent.last(1)
            platform.context.recent(msgspec.structs.replace(mine.record, principal="somebody else"))
            told = await platform.ask("{ requests { model } }", headers=BEARER)
            assert len(told.json()["data"]["requests"]) == shown


async def test_switched_off_it_is_not_there() -> None:
    async with gateway() as platform:
        without = [each for each in configs(developing=False) if each.name != "graphql"]
        await platform.context.manager.reconfigure(without)
        reply = await platform.ask(QUERY)
        assert reply.status == 404
        with pytest.raises(InvalidStatus) as refused:
            async with dialled(platform.url):
                pass
        assert refused.value.response.status_code == 404


@pytest.mark.parametrize(
    ("key", "headers", "allowed"),
    [
        (None, {"Origin": "http://localhost:3000"}, True),
        (None, {"Origin": "https://evil.example"}, False),
        (KEY, {"Origin": "https://evil.example", **BEARER}, False),
        (KEY, {"Origin": "https://good.example", **BEARER}, True),
    ],
)
async def test_pages_of_other_origins_open_no_socket(
    key: str | None, headers: dict[str, str], allowed: bool
) -> None:
    async with gateway(key=key, origins=("https://good.example",)) as platform:
        if allowed:
            async with connected(platform.url, headers=headers):
                return
        with pytest.raises(InvalidStatus) as refused:
            async with dialled(platform.url, headers=headers):
                pass
        assert refused.value.response.status_code == 403
