"""Whatever stands in the headers is a key that nobody knows: no defect, no answer, no part of a question."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts.keys.text import new_key
from tests.access.routes import STRANGER, ask
from tests.servers.raw_client import ask as ask_raw
from tests.servers.raw_client import get
from tests.servers.whole_platform import Whole

pytestmark = pytest.mark.asyncio(loop_scope="session")

INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE keys; --",
    '" OR ""="',
    "x' UNION SELECT * FROM key_digests --",
    "%' OR digest LIKE '%",
    "$1",
    ":digest",
    "\\x00",
    "{{7*7}}",
    "a.b.c",
    "..",
]
VALUES = st.one_of(
    st.sampled_from(INJECTIONS),
    st.sampled_from(INJECTIONS).map(lambda text: f"sk-llmp-{text}"),
    st.binary(min_size=1, max_size=200).map(lambda raw: raw.decode("latin-1")),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200),
)
_FORBIDDEN = str.maketrans("", "", "\r\n\0")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, name=st.sampled_from(["Authorization", "x-api-key"]), scheme=st.sampled_from(["Bearer ", ""]))
async def test_strange_headers(whole: Whole, value: str, name: str, scheme: str) -> None:
    line = f"{name}: {scheme}{value.translate(_FORBIDDEN)}".encode("latin-1")
    raw = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\nConnection: close\r\n\r\n"
    assert (await ask_raw(whole.port, raw)).status in {400, 401}


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize(
    "route", ["GraphQL Query.models", "gRPC llm_platform.v1.Models/ListModels", "WebSocket /ws/models"]
)
async def test_injections_by_the_other_front_ends(whole: Whole, injection: str, route: str) -> None:
    for text in (injection, f"sk-llmp-{injection}"):
        assert await ask(whole, route, {"x-api-key": text}) == STRANGER


async def test_a_key_is_never_told_by_its_beginning(whole: Whole) -> None:
    """CVE-2026-35030: what is kept by a prefix is good for whoever has the same one."""
    good = whole.keys["user"]
    assert (await get(whole.port, "/v1/models", {"x-api-key": good})).status == 200
    for length in range(len(good)):
        for text in (
            good[:length],
            good[:length] + "x" * (len(good) - length),
            good[:length] + new_key()[length:],
        ):
            if text and text != good:
                assert (await get(whole.port, "/v1/models", {"x-api-key": text})).status == 401


@pytest.mark.parametrize(
    "route",
    [
        "POST /v1/chat/completions",
        "GET /v1/models",
        "GraphQL Query.models",
        "GraphQL Subscription.metrics",
        "gRPC llm_platform.v1.Inference/ChatUnary",
        "WebSocket /ws/chat",
    ],
)
async def test_a_header_that_can_not_be_made_out_is_counted(whole: Whole, route: str) -> None:
    counts = whole.platform.authenticators.refusals.counts
    before = counts["bad header"]
    assert await ask(whole, route, {"Authorization": new_key()}) == STRANGER
    assert counts["bad header"] == before + 1


async def test_the_log_tells_of_many_refusals_in_one_line_and_of_no_key(
    whole: Whole, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [new_key() for _ in range(20)]
    before = whole.platform.authenticators.refusals.counts["unknown key"]
    for key in keys:
        assert (await get(whole.port, "/v1/models", {"x-api-key": key})).status == 401
    assert whole.platform.authenticators.refusals.counts["unknown key"] == before + 20
    told = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(told) <= 1
    assert not any(key in caplog.text for key in keys)
