"""What is known of targets: whose it is, how long it holds, and how much of it is kept."""

import pytest

from app.domain.errors import ConnectionFailed, UpstreamRateLimited, UpstreamUnavailable
from app.inference.catalog import Catalog, Source
from app.inference.policy import BreakerPolicy, RoutingPolicy
from app.inference.routes import ConfiguredModel, Route, Routing
from app.inference.vitals import KEPT_UNLISTED, LONGEST_REST, Fleet, PerMinute, Vitals
from app.testing.providers import ScriptedProvider

DOWN = UpstreamUnavailable("down")


def failed(vitals: Vitals, times: int = 5, now: float = 100.0) -> Vitals:
    for _ in range(times):
        vitals.begin(now)
        vitals.ended(DOWN, now)
    return vitals


def test_names_that_callers_invent_take_no_room() -> None:
    fleet, cloud = Fleet(), ScriptedProvider([], name="cloud")
    cloud.accepts_unlisted = True
    star = ConfiguredModel(routes=[Route(integration="cloud", model="gpt-*")])
    catalog = Catalog([Source(source=cloud, serving=True)], Routing(models={"gpt-*": star}), fleet=fleet)
    for number in range(3 * KEPT_UNLISTED):
        catalog.entry(f"gpt-{number}")
        catalog.entry(f"cloud/{number}")
    assert len(fleet._unlisted) == KEPT_UNLISTED
    assert len(fleet._budgets) < 10


def test_models_that_nobody_listed_do_not_share_their_rests() -> None:
    fleet, source = Fleet(), object()
    one = fleet.of(source, "cloud", "one", listed=False)
    one.begin(100.0)
    one.ended(UpstreamRateLimited("busy", retry_after=60.0), 100.0)
    assert one.excluded(101.0) is not None
    assert fleet.of(source, "cloud", "two", listed=False).excluded(101.0) is None


def test_a_new_instance_begins_without_the_faults_of_the_old_one() -> None:
    fleet, old, new = Fleet(), object(), object()
    before = failed(fleet.of(old, "i", "m"))
    assert before.excluded(101.0) is not None
    after = fleet.of(new, "i", "m")
    assert after.excluded(101.0) is None
    assert after.slots is before.slots  # who is still being served there keeps the place
    assert fleet.of(new, "i", "m") is after


def test_what_breaks_when_an_upstream_dies_broke_once() -> None:
    vitals, broke = Vitals(RoutingPolicy()), ConnectionFailed("broke")
    for _ in range(100):
        vitals.begin(90.0)
    for _ in range(50):
        assert not vitals.ended(broke, 100.0, since=90.0)
    assert vitals.doubtful(100.9)
    assert not vitals.doubtful(101.1)  # as after one failure
    opened = [vitals.ended(broke, 101.5 + second, since=90.0) for second in range(4)]
    assert opened == [False, False, False, True]  # they are not one death that break one after another


def test_answers_of_5xx_count_each_time_and_so_do_requests_sent_after_a_failure() -> None:
    for error, since in ((DOWN, 90.0), (ConnectionFailed("broke"), 100.0)):
        vitals = Vitals(RoutingPolicy())
        assert [vitals.ended(error, 100.0, since=since) for _ in range(5)] == [False] * 4 + [True]


def test_an_answer_that_was_asked_for_before_a_failure_clears_no_doubt() -> None:
    for since, doubtful in ((99.0, True), (100.0, False)):
        vitals = failed(Vitals(RoutingPolicy()), times=1)
        vitals.ended(None, 100.5, since=since)
        assert vitals.doubtful(100.5) == doubtful


def test_a_pause_is_believed_up_to_a_point_and_not_for_a_key_that_is_replaced() -> None:
    vitals = Vitals(RoutingPolicy())
    vitals.begin(100.0)
    vitals.ended(UpstreamRateLimited("busy", retry_after=999_999_999.0), 100.0)
    excluded = vitals.excluded(100.0)
    assert excluded is not None
    assert excluded.seconds == LONGEST_REST
    vitals = Vitals(RoutingPolicy())
    vitals.begin(100.0)
    vitals.ended(UpstreamRateLimited("busy", retry_after=60.0, rotated=True), 100.0)
    assert vitals.excluded(100.0) is None


def test_a_breaker_that_is_switched_off_while_it_is_open_lets_everybody_in() -> None:
    vitals = failed(Vitals(RoutingPolicy()))
    probe = vitals.begin(131.0)
    vitals.obey(RoutingPolicy(breaker=BreakerPolicy(failures=0)))
    vitals.ended(DOWN, 131.0, probe)
    assert vitals.excluded(131.0) is None
    vitals.obey(RoutingPolicy())
    assert vitals.excluded(131.0) is None


@pytest.mark.parametrize("added", [[(0.0, 5)], [(30.0, 3), (70.0, 2)], [(59.0, 5)], [(10.0, 8)]])
def test_the_wait_that_is_told_for_a_full_minute_is_the_true_one(added: list[tuple[float, int]]) -> None:
    counted = PerMinute()
    for at, amount in added:
        counted.add(amount, at)
    now = added[-1][0] + 1
    wait = counted.below_in(4, now)
    assert 0 < wait <= 120
    assert counted.value(now + wait - 0.1) >= 4
    assert counted.value(now + wait + 0.1) < 4


def test_places_are_as_configured_under_every_name_and_as_told_when_nothing_is() -> None:
    class Local(ScriptedProvider):
        def models(self):  # type: ignore[no-untyped-def]
            from app.domain.models import ModelInfo

            return [ModelInfo(id="m", provider="local", slots=8)]

    fleet, source = Fleet(), Source(source=Local([], name="local"), serving=True)
    configured = ConfiguredModel(routes=[Route(integration="local", model="m", slots=1)])
    catalog = Catalog([source], Routing(models={"one": configured}), fleet=fleet)
    for name in ("one", "m", "local/m"):
        assert catalog.entry(name).targets[0].vitals.slots.limit == 1
    assert Catalog([source], Routing(), fleet=fleet).entry("m").targets[0].vitals.slots.limit == 8
