"""Attempt plans: where a request goes on to after each kind of failure, and what no plan ever does."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import (
    ConnectionRefused,
    ContentRefused,
    ContextLengthExceeded,
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    RateLimited,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.inference.planning import Hold, Plan, Step
from app.inference.policy import MAX_ATTEMPTS, ModelPolicy
from app.inference.vitals import Fleet, Vitals
from tests.unit.inference.targets import call_for, model, provider, snapshot

DOWN = UpstreamUnavailable("down")
REFUSED, SENT = ConnectionRefused("nobody"), ConnectionRefused("nobody")
SENT.sent = True
LATE = UpstreamTimeout("late")
BUSY = UpstreamRateLimited("busy")
BAD_KEY = UpstreamAuthFailed("no")
NEXT_KEY = UpstreamAuthFailed("no", rotated=True)
LONG = ContextLengthExceeded("long")
RUDE = ContentRefused("rude")

MODELS = {
    "one": model("a"),
    "two": model("a", "b"),
    "three": model("a", "b", "c"),
    "safe": model("a", "b", policy=ModelPolicy(fallbacks=("spare", "three"))),
    "lean": model("a", policy=ModelPolicy(fallbacks=("spare",))),
    "chain": model("a", policy=ModelPolicy(fallbacks=("safe",))),
    "spare": model("z"),
    "strict": model("a", "b", policy=ModelPolicy(retries=0)),
    "by cause": model("a", "b", policy=ModelPolicy(retries=0, retries_by_cause={"timeout": 1})),
    "picky": model(
        "a",
        policy=ModelPolicy(context_fallbacks=("nowhere", "spare"), content_fallbacks=("two",), fallbacks=("one",)),
    ),
}


def plan_for(name: str, fleet: Fleet | None = None) -> Plan:
    return Plan(call_for(name), snapshot(MODELS, fleet), lambda: 1000.0, Random(1))


def fleet_of(fleet: Fleet, integration: str) -> Vitals:
    return fleet.of(provider(integration), integration, "model")


def shut(fleet: Fleet, integration: str, at: float, openings: int = 1) -> Vitals:
    """It failed too often, `at` the last time, and so did its probes."""
    vitals = fleet_of(fleet, integration)
    for _ in range(4 + openings):
        vitals.ended(DOWN, at, vitals.begin(at))
    return vitals


def walked(plan: Plan, errors: Sequence[PlatformError]) -> list[Step | None]:
    """The steps of a call whose attempts fail with these, and that never waits."""
    steps: list[Step | None] = [first(plan)]
    for error in errors:
        last = steps[-1]
        assert last is not None
        steps.append(step_of(plan.after(error, last.target)))
    return steps


def first(plan: Plan) -> Step:
    step = plan.first()
    assert isinstance(step, Step)
    return step


def step_of(found: Step | Hold | None) -> Step | None:
    assert not isinstance(found, Hold)
    return found


def asked(steps: Sequence[Step | Hold | None]) -> list[str]:
    return [f"{step.target.integration}{' last' * step.last}" for step in map(step_of, steps) if step]


@pytest.mark.parametrize(
    ("name", "errors", "asked"),
    [
        ("one", [], "a"),
        ("one", [DOWN], "aa"),
        ("one", [DOWN, DOWN], "aaa"),
        ("one", [DOWN, DOWN, DOWN], "aaa."),
        ("two", [DOWN], "ab"),
        ("two", [DOWN, DOWN], "aba"),
        ("three", [DOWN, LATE, BUSY], "abc."),
        ("three", [InvalidRequest("bad")], "a."),
        ("three", [DeadlineExceeded("the caller's own")], "a."),
        ("three", [NEXT_KEY], "aa"),
        ("three", [NEXT_KEY, NEXT_KEY, NEXT_KEY], "aaa."),
        ("one", [BAD_KEY], "a."),
        ("two", [BAD_KEY, DOWN], "abb"),
        ("two", [BAD_KEY, BAD_KEY], "ab."),
        ("safe", [DOWN, DOWN, DOWN], "aza."),
        ("two", [ModelNotFound("gone", provider="a"), DOWN], "abb"),
        ("two", [ModelNotFound("gone", provider="a"), ModelNotFound("gone", provider="b")], "ab."),
        ("two", [ModelNotFound("nobody's")], "a."),
        ("safe", [UnsupportedFeature("no", provider="a"), UnsupportedFeature("no", provider="b")], "abz"),
        ("chain", [DOWN, DOWN, DOWN], "aaa."),
        ("strict", [DOWN], "a."),
        ("by cause", [DOWN], "a."),
        ("by cause", [LATE, LATE], "ab."),
        ("picky", [LONG], "az"),
        ("picky", [LONG, DOWN, DOWN], "aza."),
        ("picky", [RUDE], "aa"),
        ("picky", [RUDE, DOWN], "aaa"),
        ("three", [LONG], "a."),
        ("three", [RUDE], "a."),
    ],
)
def test_where_a_failure_leads(name: str, errors: list[PlatformError], asked: str) -> None:
    plan = plan_for(name)
    steps = walked(plan, errors)
    assert "".join(step.target.integration if step else "." for step in steps) == asked


def test_only_a_second_try_at_the_same_target_waits() -> None:
    plan = plan_for("two")
    (_, sibling, again) = walked(plan, [DOWN, DOWN])
    assert sibling is not None
    assert again is not None
    assert sibling.pause == 0
    assert 0 < again.pause <= 0.2


def test_a_pause_that_was_asked_for_is_kept_or_the_caller_is_told() -> None:
    for seconds, kept in ((3.0, True), (30.0, False)):
        plan = plan_for("one")
        target = first(plan).target
        vitals = target.vitals
        vitals.begin(1000.0)
        error = UpstreamRateLimited("busy", retry_after=seconds)
        vitals.ended(error, 1000.0)
        step = step_of(plan.after(error, target))
        assert (step is not None) == kept
        assert step is None or step.pause == seconds


def test_a_target_that_has_no_place_free_is_not_an_attempt() -> None:
    plan = plan_for("three")
    full = RateLimited("full")
    steps = [first(plan), *(step_of(plan.instead(full)) for _ in range(3))]
    assert [step.target.integration if step else None for step in steps] == ["a", "b", "c", None]


def test_who_found_no_place_has_three_attempts_all_the_same() -> None:
    plan = plan_for("three")
    steps = [first(plan), step_of(plan.instead(RateLimited("full")))]
    for _ in range(3):
        assert steps[-1] is not None
        steps.append(step_of(plan.after(DOWN, steps[-1].target)))
    assert asked(steps) == ["a", "b", "c", "a"]
    assert steps[-1] is None


def test_a_full_model_falls_back() -> None:
    plan = plan_for("safe")
    full = RateLimited("full")
    steps = [first(plan), *(step_of(plan.instead(full)) for _ in range(2))]
    assert [step.target.integration if step else None for step in steps] == ["a", "b", "z"]


@pytest.mark.parametrize("name", ["one", "safe"])
def test_a_model_whose_targets_are_all_out_falls_back_or_says_when_to_come_again(name: str) -> None:
    fleet = Fleet()
    for each in ("a", "b"):
        shut(fleet, each, at=999.5, openings=5)
    plan = plan_for(name, fleet)
    if name == "safe":
        assert first(plan).target.integration == "z"
        return
    with pytest.raises(UpstreamUnavailable, match="'a' failed too often") as refused:
        first(plan)
    assert refused.value.retry_after == pytest.approx(1.1)  # when it is asked again, were it by this caller alone


def test_the_last_resort_is_the_target_that_failed_longest_ago() -> None:
    fleet = Fleet()
    for each, at in (("a", 995.0), ("b", 990.0), ("c", 999.95)):
        shut(fleet, each, at)
    plan = plan_for("three", fleet)
    assert asked(walked(plan, [DOWN])) == ["b last", "a last"]


def test_whose_probe_is_under_way_or_due_soon_is_waited_for() -> None:
    fleet = Fleet()
    probed, due = shut(fleet, "a", 990.0), shut(fleet, "b", 999.95)
    probe = probed.begin(999.0)
    plan = plan_for("two", fleet)
    hold = plan.first()
    assert isinstance(hold, Hold)
    assert [target.vitals for target in hold.targets] == [probed, due]
    assert hold.seconds == pytest.approx(0.05)
    probed.answered(1.0, 1000.0, probe)
    assert asked([plan.resume(hold)]) == ["a last"]


def test_nobody_is_waited_for_who_has_been_silent_or_shut_for_long() -> None:
    fleet = Fleet()
    shut(fleet, "a", 980.0).begin(990.0)
    shut(fleet, "b", 999.5, openings=5)
    with pytest.raises(UpstreamUnavailable, match="'a' failed too often"):
        first(plan_for("two", fleet))


def test_a_wait_in_vain_ends_with_what_stood_in_the_way() -> None:
    fleet = Fleet()
    plan = plan_for("one", fleet)
    target = first(plan)
    shut(fleet, "a", 1000.0)
    hold = plan.after(DOWN, target.target)
    assert isinstance(hold, Hold)
    shut(fleet, "a", 1000.0, openings=5)
    with pytest.raises(UpstreamUnavailable, match="down") as refused:
        plan.resume(hold)
    assert refused.value.retry_after is not None


def test_a_refused_connection_costs_the_budget_nothing_unless_the_request_was_sent() -> None:
    for error, most in ((REFUSED, 20), (SENT, 3 + 20 * 0.2)):
        catalog = snapshot(MODELS)
        plans = [Plan(call_for("two"), catalog, lambda: 1000.0, Random(1)) for _ in range(20)]
        steps = [plan.after(error, first(plan).target) for plan in plans]
        assert sum(step is not None for step in steps) == most


def test_without_a_fallback_that_can_be_asked_the_model_itself_is() -> None:
    fleet = Fleet()
    shut(fleet, "z", 1000.0)
    for each in "abc":
        shut(fleet, each, 995.0)
    plan = plan_for("safe", fleet)
    assert asked(walked(plan, [DOWN])) == ["a last", "b last"]


def test_the_try_that_was_kept_for_a_fallback_is_the_models_own_where_that_cannot_be_asked() -> None:
    fleet = Fleet()
    shut(fleet, "z", 1000.0)
    assert asked(walked(plan_for("lean", fleet), [DOWN, DOWN])) == ["a", "a", "a"]
    assert asked(walked(plan_for("lean"), [DOWN, DOWN])) == ["a", "a", "z"]


def test_a_resting_target_is_left_out_but_one_that_did_not_say_how_long_is_asked_for_want_of_others() -> None:
    fleet = Fleet()
    resting = fleet_of(fleet, "a")
    resting.begin(1000.0)
    resting.ended(BUSY, 1000.0)
    assert first(plan_for("two", fleet)).target.integration == "b"
    assert first(plan_for("one", fleet)).target.integration == "a"
    resting.begin(1000.0)
    resting.ended(UpstreamRateLimited("busy", retry_after=60.0), 1000.0)
    with pytest.raises(UpstreamRateLimited) as refused:
        first(plan_for("one", fleet))
    assert refused.value.retry_after == 60.0


ERRORS = st.sampled_from(
    [DOWN, LATE, BUSY, BAD_KEY, NEXT_KEY, LONG, RUDE, InvalidRequest("bad"), UpstreamError("x")]
)


@given(name=st.sampled_from(sorted(MODELS)), calls=st.lists(st.lists(ERRORS, max_size=6), min_size=1, max_size=60))
def test_no_plan_goes_beyond_three_attempts_and_its_budget(name: str, calls: list[list[PlatformError]]) -> None:
    """The budget is a model's own: attempts at it, less the first of each request, are at most 3 + 20 %."""
    catalog = snapshot(MODELS)
    requests: dict[str, int] = {}
    further: dict[str, int] = {}
    for errors in calls:
        plan = Plan(call_for(name), catalog, lambda: 1000.0, Random(1))
        step, entered, attempts = first(plan), set[str](), 0
        for error in [*errors, None]:
            attempts += 1
            entry = step.entry.name
            counted = requests if entry not in entered else further
            counted[entry] = counted.get(entry, 0) + 1
            entered.add(entry)
            following = step_of(plan.after(error, step.target)) if error is not None else None
            if following is None:
                break
            if error is not None and error.rotated:
                requests[entry] = requests.get(entry, 0)
                further[entry] = further.get(entry, 0) - 1  # another key is no retry
            step = following
        assert attempts <= MAX_ATTEMPTS
    for entry, count in further.items():
        assert count <= 3 + 0.2 * requests.get(entry, 0) + 1e-9
