"""A server that demands a client certificate, and headers of one's own for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.errors import UpstreamUnavailable
from tests.integration.integrations.openai_compatible.provider import CHAT, everything, passed_on, running, text
from tests.servers.certificates import Certificate
from tests.servers.scripted import ScriptedServer, json_reply

ANSWER = b'{"choices":[]}'


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: Certificate(folder, name) for name in ("localhost", "known", "unknown")}


@pytest.fixture
async def server(certificates: dict[str, Certificate]) -> AsyncIterator[ScriptedServer]:
    tls = certificates["localhost"].server(trusted_client=certificates["known"])
    async with ScriptedServer(tls) as server:
        server.on("POST", CHAT, json_reply(ANSWER))
        yield server


async def test_the_certificate_is_shown_and_the_headers_are_sent(
    server: ScriptedServer, certificates: dict[str, Certificate]
) -> None:
    files = {
        "ca_file": str(certificates["localhost"].file),
        "cert_file": str(certificates["known"].file),
        "key_file": str(certificates["known"].key),
    }
    async with running(server, "vllm", **files, headers={"x-team": "blue"}) as integration:
        assert [model.id for model in integration.models()] == ["m"]
        await integration.health_check()
        assert text(await everything(integration.chat, passed_on())) == ANSWER
    assert {request.headers["x-team"] for request in server.received} == {"blue"}


@pytest.mark.parametrize(
    "settings", [{}, {"ca_file": "localhost"}, {"ca_file": "localhost", "cert_file": "unknown"}]
)
async def test_without_the_right_files_nothing_is_sent(
    server: ScriptedServer, certificates: dict[str, Certificate], settings: dict[str, str]
) -> None:
    files = {setting: str(certificates[name].file) for setting, name in settings.items()}
    if "cert_file" in settings:
        files["key_file"] = str(certificates[settings["cert_file"]].key)
    with pytest.raises(UpstreamUnavailable):
        async with running(server, "vllm", **files):
            pass
    assert server.received == []


async def test_a_renewed_certificate_needs_no_restart(
    server: ScriptedServer, certificates: dict[str, Certificate], tmp_path: Path
) -> None:
    file, key = certificates["unknown"].copy(tmp_path)
    ca_file = str(certificates["localhost"].file)
    files = {"ca_file": ca_file, "cert_file": str(file), "key_file": str(key)}
    async with running(server, "vllm", **files, discover=False) as integration:
        with pytest.raises(UpstreamUnavailable):
            await integration.health_check()
        certificates["known"].copy(tmp_path)
        await integration.health_check()
