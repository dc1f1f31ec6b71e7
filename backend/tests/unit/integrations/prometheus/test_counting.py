"""What a call adds to which series, and that nobody can make series without end."""

from typing import Any

import msgspec
import pytest

from app.domain.calls import EndedCall, Tried
from app.domain.observing import Observable
from app.domain.usage import Usage
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.calls import REMEMBERED, CallMeter
from app.integrations.monitoring.prometheus.exposition import write
from app.integrations.monitoring.prometheus.labels import Labels
from app.integrations.monitoring.prometheus.shelf import RESERVE, Shelf
from tests.servers.scraped import Scraped
from tests.unit.integrations.prometheus.platform import Platform

CALL = EndedCall(
    id="req-1",
    principal="p",
    front_end="openai_api",
    operation="chat",
    model="fast",
    integration="cloud",
    target_model="gpt-1",
    attempts=1,
    outcome="ok",
    seconds=2.0,
    first_event_seconds=0.5,
    usage=Usage(input_tokens=100, output_tokens=16, cached_tokens=40, reasoning_tokens=5),
    team="red",
    cost=0.25,
    stream=True,
    tried=(Tried("fast", "cloud", "gpt-1", 0.5),),
)
REFUSED = {"integration": None, "target_model": None, "attempts": 0, "tried": (), "usage": None, "cost": None}
CONVENTION = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "kind of cloud",
    "gen_ai_original_model": "fast",
    "gen_ai_request_model": "gpt-1",
    "gen_ai_response_model": "gpt-1",
}


class Counted:
    def __init__(self, platform: Observable | None = None, tenants: int = 100, capacity: int = 2**16) -> None:
        self.shelf = Shelf(capacity=capacity)
        labels = Labels(platform or Platform(), tenants, lambda name: f"kind of {name}")
        self.meter = CallMeter(self.shelf, labels)

    def __call__(self, *calls: dict[str, Any]) -> Scraped:
        for changes in calls:
            self.meter.count(msgspec.structs.replace(CALL, **changes))
        return Scraped(write(self.shelf.numbers(), [], "")[1].decode())


def test_a_whole_answer() -> None:
    found = Counted()({})
    call = {"model": "fast", "provider": "cloud"}
    counted = {**call, "operation": "chat", "front_end": "openai_api", "status": "ok", "tenant": "red"}
    assert found("llm_requests_total", **counted) == found("llm_requests_total") == 1
    assert found("llm_request_duration_seconds_sum", **call) == 2.0
    assert found("llm_request_duration_seconds_bucket", le="1.0", **call) == 0
    assert found("llm_request_duration_seconds_bucket", le="2.5", **call) == 1
    assert found("llm_cost_total", tenant="red", **call) == 0.25
    tokens = {"input": 100, "output": 16, "cached": 40, "cache_write": 0, "reasoning": 5}
    assert found.values("llm_tokens_total", "type", **call) == tokens
    assert found("llm_upstream_attempts_total", provider="cloud", result="ok") == 1
    assert found.names & {"llm_errors_total", "llm_upstream_repeats_total", "llm_refusals_total"} == set()


def test_a_whole_answer_in_the_ecosystem_s_names() -> None:
    found = Counted()({})
    tokens = "gen_ai_client_token_usage"
    assert found.values(f"{tokens}_sum", "gen_ai_token_type", **CONVENTION) == {"input": 100, "output": 16}
    assert found(f"{tokens}_bucket", gen_ai_token_type="output", le="4.0") == 0
    assert found(f"{tokens}_bucket", gen_ai_token_type="output", le="16.0") == 1
    assert found("gen_ai_server_request_duration_seconds_sum", **CONVENTION) == 2.0
    assert found("gen_ai_server_time_to_first_token_seconds_sum", **CONVENTION) == 0.5
    assert found("gen_ai_server_time_per_output_token_seconds_sum", **CONVENTION) == pytest.approx(0.1)


def test_what_does_not_stream_has_no_first_token() -> None:
    found = Counted()({"stream": False})
    assert found("gen_ai_server_request_duration_seconds_count") == 1
    assert found("gen_ai_server_time_to_first_token_seconds_count") == 0
    assert found("gen_ai_server_time_per_output_token_seconds_count") == 0


@pytest.mark.parametrize(
    ("changes", "status", "fault"),
    [
        ({"outcome": "unavailable"}, "unavailable", "platform"),
        ({"outcome": "resource_exhausted"}, "resource_exhausted", "platform"),
        ({"outcome": "invalid_argument"}, "invalid_argument", "caller"),
        ({"outcome": "internal", **REFUSED}, "internal", "platform"),
        ({"outcome": "resource_exhausted", **REFUSED}, "resource_exhausted", "limit"),
        ({"outcome": "not_found", **REFUSED}, "not_found", "caller"),
        ({"outcome": "cancelled"}, "cancelled", None),
    ],
)
def test_errors_by_whose_fault_they_are(changes: dict[str, Any], status: str, fault: str | None) -> None:
    found = Counted()(changes)
    assert found("llm_requests_total", status=status) == 1
    assert found.values("llm_errors_total", "fault") == ({fault: 1} if fault else {})


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [
        ("resource_exhausted", "rate_limit_exceeded", "rate_limit"),
        ("resource_exhausted", "insufficient_quota", "budget"),
        ("resource_exhausted", "queue_full", "queue_full"),
        ("resource_exhausted", "something new", "other"),
        ("permission_denied", "model_not_allowed", "access"),
    ],
)
def test_refusals_by_reason(outcome: str, code: str, reason: str) -> None:
    found = Counted()({**REFUSED, "outcome": outcome, "code": code})
    assert found.values("llm_refusals_total", "reason") == {reason: 1}
    assert Counted()({"outcome": outcome, "code": code})("llm_refusals_total") == 0  # a provider's own refusal


def test_a_call_that_was_tried_several_times() -> None:
    tried = (
        Tried("fast", "cloud", "gpt-1", 0.1, waited=0.3, failure="unavailable"),
        Tried("fast", "cloud", "gpt-1", 0.1, failure="deadline_exceeded"),
        Tried("fast", "mine", "llama", 0.1, lost=True),
        Tried("fast", "cloud", "gpt-1", 0.1, hedge=True),
    )
    found = Counted()({"tried": tried, "attempts": 4})
    results = {"unavailable": 1, "deadline_exceeded": 1, "lost": 1, "ok": 1}
    assert found.values("llm_upstream_attempts_total", "result") == results
    assert found.values("llm_upstream_repeats_total", "kind") == {"retry": 1, "fallback": 1, "hedge": 1}
    assert (found("llm_queue_wait_seconds_count", provider="cloud"), found("llm_queue_wait_seconds_sum")) == (
        1,
        0.3,
    )


def test_an_answer_from_the_cache_cost_nobody_anything() -> None:
    found = Counted()({**REFUSED, "cached": "hit"})
    assert found("llm_cached_answers_total", model="fast", kind="hit") == 1
    assert found("llm_requests_total", provider="cache", status="ok") == 1
    assert found("gen_ai_server_request_duration_seconds_count") == 0


def test_a_hundred_thousand_names_make_no_new_series() -> None:
    """S16."""
    counted = Counted(tenants=1)
    unknown = {**REFUSED, "outcome": "not_found"}

    def made_up(number: int) -> list[dict[str, Any]]:
        name = f"made-up-{number}"
        return [{**unknown, "model": name}, {"model": f"cloud/{name}", "target_model": name, "team": name}]

    before = counted({}, *made_up(0), *made_up(1))
    after = counted(*(call for number in range(2, 50_001) for call in made_up(number)))
    assert after("llm_requests_total", model="other") == 100_002
    assert after.series == before.series
    assert len(counted.meter._known) <= REMEMBERED


def test_a_name_that_becomes_known_is_counted_by_itself() -> None:
    platform = Platform()
    counted = Counted(platform)
    counted({"model": "new", "target_model": "new"})
    platform.models.add("new")
    found = counted({"model": "new", "target_model": "new"})
    assert found("llm_requests_total", model="new") == found("llm_requests_total", model="other") == 1


def test_a_model_asked_for_at_an_integration_is_that_model() -> None:
    found = Counted()({"model": "cloud/gpt-1"})
    assert found("llm_requests_total", model="gpt-1") == 1


def test_beyond_so_many_teams_they_are_counted_together() -> None:
    found = Counted(tenants=2)({"team": "a"}, {"team": "b"}, {"team": "c"}, {"team": "a"}, {"team": None})
    assert found.values("llm_cost_total", "tenant") == {"a": 0.5, "b": 0.25, "other": 0.25, "none": 0.25}


def test_a_full_shelf_counts_the_rest_together(caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted(capacity=RESERVE + 130)
    found = counted(*({"front_end": f"front-{number}"} for number in range(50)))
    assert found("llm_requests_total") == 50
    assert found("llm_requests_total", front_end="other") > 0
    assert caplog.text.count("too many series") == 1


def test_the_boundaries_are_those_of_the_conventions() -> None:
    assert families.GEN_AI_TOKENS.bounds[:4] == (1, 4, 16, 64)
    assert families.GEN_AI_TOKENS.bounds[-1] == 67_108_864
    assert families.GEN_AI_DURATION.bounds == pytest.approx(
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
    )
    assert 10.0 in families.DURATION.bounds  # an alert stands on it
