"""The strategies: who comes first, and how shares fall."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from app.domain.chat import AudioPart, ChatRequest, ImagePart, Message, ResponseFormat, TextPart, Tool
from app.domain.errors import UpstreamUnavailable
from app.domain.prices import Price
from app.inference.affinity import prefix_of, session_of
from app.inference.call import PromptSize, Target
from app.inference.needs import capabilities_for, misfit
from app.inference.policy import Strategy
from app.inference.selection import SCORES, Asking, ordered
from tests.unit.inference.targets import call_for, target

NOW = 1000.0


def names(targets: Sequence[Target], strategy: Strategy, **asking: object) -> list[str]:
    random = Random(7)
    asked = Asking(NOW, random.random, **asking)  # type: ignore[arg-type]
    return [each.model for _, each in ordered(targets, strategy, asked)]


def shares(targets: Sequence[Target], strategy: Strategy, times: int = 4000) -> Counter[str]:
    random = Random(7)
    return Counter(ordered(targets, strategy, Asking(NOW, random.random))[0][1].model for _ in range(times))


def busy(name: str, requests: int, **fields: object) -> Target:
    found = target(name, **fields)
    found.vitals.in_flight = requests
    return found


def slow(name: str, seconds: float, requests: int = 0) -> Target:
    found = busy(name, requests)
    found.vitals.latency.observe(seconds, NOW)
    return found


@pytest.mark.parametrize("strategy", list(SCORES))
def test_lower_priority_numbers_come_first_whatever_the_strategy(strategy: Strategy) -> None:
    assert names([target(str(n), priority=n) for n in (3, 1, 4, 2, 5)], strategy) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("strategy", list(SCORES))
def test_one_that_has_just_failed_comes_last_until_it_may_be_well_again(strategy: Strategy) -> None:
    failed, well = target("failed", priority=1), target("well", priority=2)
    failed.vitals.begin(NOW - 0.5)
    failed.vitals.ended(UpstreamUnavailable("down"), NOW - 0.5)
    assert names([failed, well], strategy) == ["well", "failed"]
    later = Asking(NOW + 0.6, Random(1).random)
    assert [each.model for _, each in ordered([failed, well], strategy, later)] == ["failed", "well"]


def test_equals_are_drawn_by_weight() -> None:
    found = shares([target("heavy", weight=3), target("light", weight=1), target("never", weight=0)], "weighted")
    assert 2.5 < found["heavy"] / found["light"] < 3.6
    assert found["never"] == 0


def test_weights_may_be_of_any_size() -> None:
    found = shares([target("light", weight=0.0001), target("heavy", weight=0.0003)], "weighted")
    assert 2.5 < found["heavy"] / found["light"] < 3.6


def test_priority_keeps_the_order_in_which_they_are_written() -> None:
    assert names([target("b"), target("a"), target("c")], "priority") == ["b", "a", "c"]


def test_the_least_busy_of_two_that_are_drawn() -> None:
    targets = [busy("idle", 0), busy("some", 5), busy("most", 50)]
    assert names(targets[1:], "least_busy") == ["some", "most"]
    found = shares(targets, "least_busy")
    assert found["most"] == 0  # it is never the better one of two
    assert found["idle"] > found["some"] > 0  # nor do all run to the same


def test_a_heavier_target_may_be_busier() -> None:
    assert names([busy("small", 2), busy("big", 6, weight=4.0)], "least_busy") == ["big", "small"]


def test_lowest_latency_counts_those_who_wait_there_already_and_forgets() -> None:
    assert names([slow("far", 0.4), slow("near", 0.1)], "lowest_latency") == ["near", "far"]
    assert names([slow("far", 0.4), slow("near", 0.1, requests=9)], "lowest_latency") == ["far", "near"]
    one = slow("one", 0.1)
    one.vitals.latency.observe(5.0, NOW)  # it rises at once
    assert one.vitals.latency.value(NOW) == 5.0
    assert one.vitals.latency.value(NOW + 60) < 0.1  # and fades


def test_cheapest_and_unknown_prices_last() -> None:
    dear, cheap = Price(input=10, output=30), Price(input=0.1, output=0.4)
    own = target("own", own=True)
    targets = [target("unknown"), target("dear", price=dear), target("cheap", price=cheap), own]
    assert names(targets, "cheapest") == ["own", "cheap", "dear", "unknown"]


def test_a_model_in_memory_comes_before_one_that_has_to_load() -> None:
    targets = [target("cold", info={"loaded": False}), target("warm", info={"loaded": True}), target("cloud")]
    assert shares(targets, "weighted")["cold"] == 0
    assert names(targets, "priority") == ["cold", "warm", "cloud"]  # an order that was written is kept


@pytest.mark.parametrize("strategy", ["sticky", "sticky_prefix"])
def test_what_belongs_together_goes_together_and_only_the_lost_targets_keys_move(strategy: Strategy) -> None:
    targets = [target(name) for name in "abc"]
    keys = [f"session-{n}".encode() for n in range(300)]

    def first(among: Sequence[Target], key: bytes) -> str:
        return names(among, strategy, session=lambda: key, prefix=lambda: key)[0]

    before = {key: first(targets, key) for key in keys}
    assert all(60 < count < 140 for count in Counter(before.values()).values())
    after = {key: first(targets[1:], key) for key in keys}
    assert all(after[key] == where for key, where in before.items() if where != "a")
    assert {after[key] for key, where in before.items() if where == "a"} == {"b", "c"}


@pytest.mark.parametrize("strategy", ["sticky", "sticky_prefix"])
def test_what_all_have_in_common_overflows_to_the_next_and_comes_back(strategy: Strategy) -> None:
    targets = [target("a", weight=2), target("b"), target("c"), target("reserve", priority=2)]
    in_order = names(targets, strategy, session=lambda: b"common", prefix=lambda: b"common")
    by_name = {each.model: each for each in targets}

    def ask() -> str:
        first = names(targets, strategy, session=lambda: b"common", prefix=lambda: b"common")[0]
        by_name[first].vitals.begin(NOW)
        return first

    assert ask() == in_order[0]
    asked = Counter(ask() for _ in range(399))
    for each in targets[:3]:
        assert asked[each.model] <= 1.5 * 400 * each.weight / 4 + 1
    assert asked[in_order[0]] == max(asked.values())  # as many as the bound allows
    assert asked["reserve"] == 0  # another priority has its turn when none of these can be asked
    for each in targets:
        each.vitals.in_flight = 0
    assert ask() == in_order[0]


def test_what_overflows_of_several_keys_goes_different_ways() -> None:
    """Each key has an order of its own, so that one full target does not fill its neighbour alone."""
    targets = [target(name) for name in "abcd"]
    keys = [f"session-{n}".encode() for n in range(200)]
    home = [key for key in keys if names(targets, "sticky", session=lambda key=key: key)[0] == "a"]
    targets[0].vitals.in_flight = 50
    assert {names(targets, "sticky", session=lambda key=key: key)[0] for key in home} == {"b", "c", "d"}


def test_auto_takes_the_smallest() -> None:
    sizes = {"70b": 40 << 30, "8b": 5 << 30, "1b": 1 << 30}
    targets = [target(name, info={"size_bytes": size}) for name, size in sizes.items()]
    cloud = target("cloud", price=Price(input=3, output=15))
    assert names([cloud, *targets], "auto") == ["1b", "8b", "70b", "cloud"]


def request(**fields: object) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(role="user", content=(TextPart(text="hi"),)),), **fields)  # type: ignore[arg-type]


IMAGE = ChatRequest(model="m", messages=(Message(role="user", content=(ImagePart(url="https://x/y"),)),))
SOUND = ChatRequest(model="m", messages=(Message(role="user", content=(AudioPart(data="", format="wav"),)),))


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        (request(), set()),
        (request(tools=(Tool(name="f"),)), {"tools"}),
        (request(response_format=ResponseFormat(kind="json_schema", schema={})), {"json_schema"}),
        (IMAGE, {"vision"}),
        (SOUND, {"audio"}),
    ],
)
def test_auto_leaves_out_what_cannot_do_it(asked: ChatRequest, needed: set[str]) -> None:
    assert capabilities_for(asked) == {"chat"} | needed
    call = call_for(decode=lambda: asked)
    able = target(info={"capabilities": frozenset({"chat", *needed})})
    simple = target(info={"capabilities": frozenset({"chat"})})
    assert misfit(able, call, "auto") is None
    assert (misfit(simple, call, "auto") is None) == (not needed)
    assert misfit(simple, call, "weighted") is None


@pytest.mark.parametrize(("tokens", "fits"), [(None, True), (8192, True), (8193, False)])
def test_a_prompt_beyond_the_context_does_not_fit(tokens: int | None, fits: bool) -> None:
    found = misfit(
        target(info={"context_window": 8192}),
        call_for(prompt=tokens and PromptSize(0, 0, {"m": tokens})),
        "weighted",
    )
    assert (found is None) == fits
    assert found is None or found.too_long


@pytest.mark.parametrize(
    ("session", "asked", "key"),
    [
        ("mine", request(user="u"), b"mine"),
        (None, request(user="u"), b"u"),
        (None, request(user="u", extensions={"openai_chat": {"prompt_cache_key": "k"}}), b"k"),
        (None, request(), b"anonymous"),
    ],
)
def test_what_a_session_is(session: str | None, asked: ChatRequest, key: bytes) -> None:
    assert session_of(call_for(session=session, decode=lambda: asked)) == key


def test_the_turns_of_a_conversation_have_their_prefix_in_common() -> None:
    system = Message(role="system", content=(TextPart(text="You are kind."),))
    asked = [Message(role="user", content=(TextPart(text=text),)) for text in ("one", "two")]
    told = Message(role="assistant", content=(TextPart(text="well"),))

    def prefix(*messages: Message) -> bytes:
        return prefix_of(call_for(decode=lambda: ChatRequest(model="m", messages=messages)))

    assert prefix(system, asked[0]) == prefix(system, asked[0], told, asked[1])
    assert prefix(system, asked[0]) != prefix(system, asked[1])
