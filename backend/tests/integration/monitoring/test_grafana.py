"""What is put into Grafana, and that nothing is where nothing changed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from app.core.integration_framework import (
    HealthStatus,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
)
from app.domain.errors import UpstreamError
from app.integrations.monitoring.dashboards import DASHBOARDS
from app.integrations.monitoring.grafana import GrafanaIntegration
from app.integrations.monitoring.grafana.provisioning import UID, tagged
from app.testing.contract import IntegrationContract
from tests.servers.asking import chat, status_of
from tests.servers.grafana_fake import ADMIN, EDITOR, TOKEN, GrafanaFake, grafana_fake
from tests.servers.whole_platform import whole_platform

PROMETHEUS = "http://prometheus:9090"
EVERYTHING = [f"folder {UID}", f"data source {UID}", *(f"dashboard {uid}" for uid in DASHBOARDS)]
OVERVIEW = next(iter(DASHBOARDS))


@pytest.fixture
async def grafana() -> AsyncIterator[GrafanaFake]:
    async with grafana_fake() as fake:
        yield fake


class TestGrafanaIntegration(IntegrationContract):
    integration = GrafanaIntegration
    bad_settings: ClassVar[Any] = [{"url": "grafana"}, {"url": "http://u:p@grafana"}, {"folder": ""}, {"x": 1}]
    unready_settings: ClassVar[Any] = {"url": "http://127.0.0.1:9", "timeout": 0.2}

    @pytest.fixture(autouse=True)
    def _grafana(self, grafana: GrafanaFake) -> None:
        self._url = grafana.url

    def good_settings(self) -> Mapping[str, Any]:
        return {"url": self._url, "api_key": TOKEN}


def built(grafana: GrafanaFake, **settings: Any) -> GrafanaIntegration:
    wanted = {"url": grafana.url, "api_key": TOKEN, "prometheus_url": PROMETHEUS, **settings}
    return GrafanaIntegration(IntegrationConfig(name="grafana", settings=wanted))


async def provided(grafana: GrafanaFake, **settings: Any) -> list[str]:
    """What was written."""
    grafana.writes.clear()
    integration = built(grafana, **settings)
    try:
        await integration.initialize()
    finally:
        await integration.shutdown()
    return grafana.writes


async def test_everything_is_put_there_once(grafana: GrafanaFake) -> None:
    assert await provided(grafana) == EVERYTHING
    assert await provided(grafana) == []
    assert grafana.folders[UID]["title"] == "LLM Platform"
    assert grafana.data_sources[UID]["url"] == PROMETHEUS
    for uid, dashboard in DASHBOARDS.items():
        kept = grafana.dashboards[uid]
        assert kept["meta"]["folderUid"] == UID
        assert kept["dashboard"]["panels"] == dashboard["panels"]
        assert kept["dashboard"]["version"] == 1


async def test_without_a_prometheus_no_data_source_is_touched(grafana: GrafanaFake) -> None:
    """And no right for one is needed."""
    grafana.permissions = EDITOR
    wanted = [write for write in EVERYTHING if not write.startswith("data source")]
    assert await provided(grafana, prometheus_url=None) == wanted


async def test_the_platforms_data_source_is_chosen_to_begin_with(grafana: GrafanaFake) -> None:
    await provided(grafana)
    variables = grafana.dashboards[OVERVIEW]["dashboard"]["templating"]["list"]
    (chosen,) = [variable for variable in variables if variable["type"] == "datasource"]
    assert chosen["current"]["value"] == UID


async def test_a_newer_dashboard_takes_the_place_of_the_older(grafana: GrafanaFake) -> None:
    grafana.folders[UID] = {"uid": UID, "title": "LLM Platform"}
    older = tagged({**DASHBOARDS[OVERVIEW], "title": "Older"})
    grafana.put_dashboard(older, UID)
    assert f"dashboard {OVERVIEW}" in await provided(grafana)
    kept = grafana.dashboards[OVERVIEW]
    assert (kept["dashboard"]["version"], kept["meta"]["message"]) == (2, "LLM Platform 0.1.0")
    digests = [tag for tag in kept["dashboard"]["tags"] if tag.startswith("llm-platform-")]
    assert len(digests) == 1
    assert digests[0] not in older["tags"]


async def test_what_people_changed_stays(grafana: GrafanaFake) -> None:
    """A title, a panel, the folder: until there is a newer one."""
    await provided(grafana)
    grafana.folders["theirs"] = {"uid": "theirs", "title": "Theirs"}
    mine = {**grafana.dashboards[OVERVIEW]["dashboard"], "title": "Mine", "panels": []}
    grafana.put_dashboard(mine, "theirs")
    grafana.folders[UID]["title"] = "Renamed"
    assert await provided(grafana) == []
    mine["tags"] = ["llm-platform"]
    grafana.put_dashboard(mine, "theirs")
    assert await provided(grafana) == [f"dashboard {OVERVIEW}"]
    assert grafana.dashboards[OVERVIEW]["meta"]["folderUid"] == "theirs"


async def test_a_prometheus_that_moved(grafana: GrafanaFake) -> None:
    """What people set beside its address stays."""
    await provided(grafana)
    grafana.data_sources[UID]["jsonData"]["timeInterval"] = "60s"
    assert await provided(grafana, prometheus_url="http://elsewhere:9090") == [f"data source {UID}"]
    assert grafana.data_sources[UID]["url"] == "http://elsewhere:9090"
    assert grafana.data_sources[UID]["jsonData"]["timeInterval"] == "60s"


async def test_a_data_source_of_grafanas_own_files_is_let_be(grafana: GrafanaFake) -> None:
    await provided(grafana)
    grafana.data_sources[UID] |= {"readOnly": True, "url": "http://elsewhere:9090"}
    integration = built(grafana)
    await integration.initialize()
    assert grafana.data_sources[UID]["url"] == "http://elsewhere:9090"
    assert (await integration.health_check()).status is HealthStatus.HEALTHY
    await integration.shutdown()


async def test_two_processes_at_once(grafana: GrafanaFake) -> None:
    """The other one is faster with every dashboard: it is not written twice."""

    def other() -> None:
        for dashboard in DASHBOARDS.values():
            if dashboard["uid"] not in grafana.dashboards:
                grafana.put_dashboard(tagged(dashboard), UID)

    grafana.before_save = other
    written = await provided(grafana, prometheus_url=None)
    assert written == [f"folder {UID}"]
    assert {kept["dashboard"]["version"] for kept in grafana.dashboards.values()} == {1}


async def test_somebody_saves_in_between(grafana: GrafanaFake) -> None:
    grafana.folders[UID] = {"uid": UID, "title": "LLM Platform"}
    grafana.put_dashboard({**DASHBOARDS[OVERVIEW], "title": "Older"}, UID)

    def save() -> None:
        grafana.before_save = None
        grafana.put_dashboard({**DASHBOARDS[OVERVIEW], "title": "In between"}, UID)

    grafana.before_save = save
    assert f"dashboard {OVERVIEW}" in await provided(grafana)
    assert grafana.dashboards[OVERVIEW]["dashboard"]["title"] == DASHBOARDS[OVERVIEW]["title"]


async def test_a_title_that_is_taken(grafana: GrafanaFake) -> None:
    grafana.folders["theirs"] = {"uid": "theirs", "title": "LLM Platform"}
    with pytest.raises(IntegrationConfigError, match=r"settings\.folder"):
        await provided(grafana)


LACKING = ["folders:read", "folders:create", "dashboards:read", "dashboards:write"]


@pytest.mark.parametrize("permission", LACKING)
async def test_a_right_that_is_missing_is_named(grafana: GrafanaFake, permission: str) -> None:
    grafana.permissions = ADMIN - {permission}
    with pytest.raises(IntegrationAuthFailed, match=f"lacks {permission}.*Editor"):
        await provided(grafana)


@pytest.mark.parametrize("permission", ["datasources:read", "datasources:create"])
async def test_without_a_right_for_data_sources_the_rest_is_made(
    grafana: GrafanaFake, permission: str, caplog: pytest.LogCaptureFixture
) -> None:
    grafana.permissions = ADMIN - {permission}
    integration = built(grafana)
    await integration.initialize()
    assert set(grafana.dashboards) == set(DASHBOARDS)
    report = await integration.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert permission in report.message
    assert permission in caplog.text
    await integration.shutdown()


@pytest.mark.parametrize("token", ["glsa_wrong", "not-needed"])
async def test_a_token_that_is_refused(grafana: GrafanaFake, token: str) -> None:
    with pytest.raises(IntegrationAuthFailed, match="api_key"):
        await provided(grafana, api_key=token)


async def test_the_token_is_shown_nowhere(grafana: GrafanaFake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    integration = built(grafana)
    await integration.initialize()
    report = await integration.health_check()
    await integration.shutdown()
    assert "canary" not in f"{caplog.text} {integration.settings!r} {integration!r} {report}"


async def test_a_grafana_that_lost_it_gets_it_again(grafana: GrafanaFake) -> None:
    integration = built(grafana)
    await integration.initialize()
    grafana.forget()
    grafana.writes.clear()
    report = await integration.health_check()
    assert grafana.writes == EVERYTHING
    assert (report.status, report.details) == (HealthStatus.HEALTHY, {"version": "11.6.0", "dashboards": 5})
    await integration.shutdown()


async def test_health(grafana: GrafanaFake) -> None:
    integration = built(grafana)
    await integration.initialize()
    grafana.database = "failing"
    assert (await integration.health_check()).status is HealthStatus.DEGRADED
    grafana.down = True
    with pytest.raises(UpstreamError):
        await integration.health_check()
    await integration.shutdown()


async def test_while_it_is_away_nobody_else_notices(grafana: GrafanaFake, tmp_path: Any) -> None:
    """From the start, and later."""
    grafana.down = True
    settings = {"url": grafana.url, "api_key": TOKEN}
    wanted = {"settings": settings, "health_check_interval": 0.05, "retry_config": {"max_backoff": 0.05}}
    async with whole_platform(tmp_path, key=None, integrations={"grafana": wanted}) as whole:

        async def becomes(state: str) -> None:
            async with asyncio.timeout(20):
                await reached(state)

        async def reached(state: str) -> None:
            while (await status_of(whole.port, "grafana"))["state"] != state:
                assert (await chat(whole.port, "echo")).status == 200

        await becomes("retrying")
        grafana.down = False
        await becomes("ready")
        assert set(grafana.dashboards) == set(DASHBOARDS)
        grafana.down = True
        await becomes("retrying")
