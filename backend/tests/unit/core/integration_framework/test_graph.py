from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.integration_framework.graph import dependency_graph


@pytest.mark.parametrize(
    ("dependencies", "waves"),
    [
        ({}, ()),
        ({"b": [], "a": []}, (("a", "b"),)),
        ({"c": ["b"], "b": ["a"], "a": []}, (("a",), ("b",), ("c",))),
        ({"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}, (("a",), ("b", "c"), ("d",))),
        ({"a": ["unknown"], "b": ["a"]}, (("a",), ("b",))),
        ({"a": ["b", "b"], "b": []}, (("b",), ("a",))),
    ],
)
def test_waves(dependencies: Mapping[str, list[str]], waves: tuple[tuple[str, ...], ...]) -> None:
    graph = dependency_graph(dependencies)
    assert graph.waves == waves
    assert graph.cyclic == {}


@pytest.mark.parametrize(
    ("dependencies", "members"),
    [
        ({"a": ["a"]}, {"a"}),
        ({"a": ["b"], "b": ["a"], "c": ["a"], "d": []}, {"a", "b"}),
        ({"a": ["b"], "b": ["c"], "c": ["a"], "x": ["y"], "y": ["x"]}, {"a", "b", "c", "x", "y"}),
    ],
)
def test_the_members_of_a_cycle_are_told_and_others_keep_their_waves(
    dependencies: Mapping[str, list[str]], members: set[str]
) -> None:
    graph = dependency_graph(dependencies)
    assert set(graph.cyclic) == members
    assert {name for wave in graph.waves for name in wave} == set(dependencies)


def test_the_sentence_follows_the_direction_of_the_dependencies() -> None:
    sentence = dependency_graph({"a": ["b"], "b": ["c"], "c": ["a"]}).cyclic["a"]
    way = sentence.removeprefix("dependency cycle: ").split(" -> ")
    assert way[0] == way[-1]
    assert {(way[n], way[n + 1]) for n in range(3)} == {("a", "b"), ("b", "c"), ("c", "a")}


def test_dependents_are_direct_and_also_known_for_what_is_missing() -> None:
    graph = dependency_graph({"c": ["b"], "b": ["a"], "a": ["gone"]})
    assert graph.dependents == {"a": ("b",), "b": ("c",), "c": (), "gone": ("a",)}


def test_above_holds_all_that_depends_on_one_in_waves() -> None:
    graph = dependency_graph({"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"], "other": []})
    assert graph.above("a") == (("b",), ("c",), ("d",))
    assert graph.above("d") == ()


NAMES = st.sampled_from("abcdef")


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=6))
def test_any_wishes_give_an_order_to_stop_in_without_deadlock(dependencies: dict[str, list[str]]) -> None:
    graph = dependency_graph(dependencies)
    wave_of = {name: n for n, wave in enumerate(graph.waves) for name in wave}
    assert set(wave_of) == set(dependencies)
    for name in dependencies:
        for wave in graph.above(name):
            assert all(wave_of[other] > wave_of[name] for other in wave)
    assert all(not graph.edges[name] for name in graph.cyclic)
    for name, wanted in dependencies.items():
        if name not in graph.cyclic:
            assert all(wave_of[other] < wave_of[name] for other in wanted if other in dependencies)
