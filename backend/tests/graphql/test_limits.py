"""Floods: each is refused before anything runs, whatever form it takes."""

import pytest
from graphql import get_introspection_query

from app.api.graphql import limits
from app.testing.providers import ScriptedProvider
from tests.graphql.client import connected
from tests.graphql.gateway import gateway
from tests.servers.raw_client import get


def nested(levels: int, field: str = "dependencies") -> str:
    return "{ integrations " + f"{{ {field} " * levels + "{ name }" + " }" * levels + " }"


def bomb(width: int, depth: int) -> str:
    """Few bytes that spread to width ** depth fields."""
    fragments = [f"fragment f{i} on Metrics {{ {f'...f{i + 1} ' * width} }}" for i in range(depth)]
    return "{ metrics { ...f0 } } " + " ".join(fragments) + f" fragment f{depth} on Metrics {{ active }}"


CYCLE = "{ metrics { ...a } } fragment a on Metrics { ...b } fragment b on Metrics { ...a }"
GENERATE = 'generateText(model: "model", prompt: "hi") { id }'
FLOODS = {
    "deep": (nested(20), "too_deep"),
    "deep by inline fragments": ("{ metrics " + "{ ... " * 20 + "{ active }" + " }" * 20 + " }", "too_deep"),
    "deep by fragments": (
        "{ metrics { ...f0 } } "
        + " ".join(f"fragment f{i} on Metrics {{ ...f{i + 1} }}" for i in range(20))
        + " fragment f20 on Metrics { active }",
        "too_deep",
    ),
    "deep by a fragment that is spread twice": (
        "{ metrics { ...f ... { ... { ... { ... { ...f } } } } } } "
        "fragment f on Metrics { ... { ... { ... { ... { active } } } } }",
        "too_deep",
    ),
    "lists of lists": (nested(3), "too_costly"),
    "a long list": ("{ requests(last: 1000) { id model status } }", "too_costly"),
    "aliases": ("{ " + " ".join(f"a{i}: __typename" for i in range(50)) + " }", "too_many_aliases"),
    "aliases in a fragment": (
        "{ metrics { ...f } other: metrics { ...f } } fragment f on Metrics { "
        + " ".join(f"a{i}: active" for i in range(15))
        + " }",
        "too_many_aliases",
    ),
    "expensive fields": ("mutation { " + " ".join(f"a{i}: {GENERATE}" for i in range(15)) + " }", "too_costly"),
    "one field again and again": ("{ " + "__typename " * 300 + " }", "too_many_fields"),
    "a bomb of fragments": (bomb(3, 6), "too_many_fields"),
    "a large bomb of fragments": (bomb(6, 7), "too_many_fields"),
    "a cycle of fragments": (CYCLE, "fragment_cycle"),
    "a fragment in itself": ("{ metrics { ...a } } fragment a on Metrics { ...a }", "fragment_cycle"),
    "many fragments": (
        "{ __typename } " + " ".join(f"fragment f{i} on Metrics {{ active }}" for i in range(50)),
        "too_many_definitions",
    ),
    "a fragment for nothing": (
        "{ __typename } fragment f on Metrics { " + "active " * 900 + "}",
        "unused_fragment",
    ),
    "many operations": (" ".join(f"query q{i} {{ __typename }}" for i in range(50)), "too_many_definitions"),
    "directives": ("{ __typename " + "@skip(if: false) " * 30 + "}", "too_many_directives"),
    "unknown directives": ("{ __typename " + "@a " * 30 + "}", "too_many_directives"),
    "tokens": ("{ integration(name: " + "[" * 10 + "1 " * 2000 + "]" * 10 + ") { name } }", "syntax_error"),
    "bytes": ("{ __typename } #" + "x" * limits.DOCUMENT_BYTES, "document_too_large"),
    "brackets": ("{ a(b: " + "[" * 900, "syntax_error"),
    "braces": ("{a" * 450, "syntax_error"),
}


@pytest.mark.parametrize("query", FLOODS.values(), ids=FLOODS)
async def test_a_flood_is_refused_before_anything_runs(query: tuple[str, str]) -> None:
    document, kind = query
    async with gateway() as platform:
        reply = await platform.ask(document)
        told = reply.json()
        assert "data" not in told
        assert [each["extensions"]["type"] for each in told["errors"]] == [kind]
        assert platform.provider.exchanges == []


@pytest.mark.parametrize("name", ["deep", "a bomb of fragments", "a cycle of fragments", "tokens", "bytes"])
async def test_a_flood_over_a_socket_ends_its_operation_alone(name: str) -> None:
    document, kind = FLOODS[name]
    async with gateway() as platform, connected(platform.url) as client:
        await client.subscribe(document)
        end = await client.receive()
        assert (end["type"], end["payload"][0]["extensions"]["type"]) == ("error", kind)
        await client.subscribe("{ __typename }")
        assert (await client.until_end())[-1]["type"] == "complete"


DEEP = limits.DEPTH - 2
ALLOWED = {
    "as deep as the limit": f"{{ metrics {'{ ... ' * DEEP} {{ active }} {'}' * DEEP} }}",
    "two steps of the graph": nested(2),
    "the longest list": "{ requests(last: 100) { id model status provider startedAt durationMs tokens } }",
    "some calls at once": "mutation { " + " ".join(f"a{i}: {GENERATE}" for i in range(5)) + " }",
    "a fragment twice": "{ metrics { ...f } more: metrics { ...f } } fragment f on Metrics { active since }",
}  # fmt: skip


@pytest.mark.parametrize("query", ALLOWED.values(), ids=ALLOWED)
async def test_what_is_within_the_limits_runs(query: str) -> None:
    async with gateway() as platform:
        await platform.data(query)


@pytest.mark.parametrize(
    ("query", "variables", "refused"),
    [
        ("query($n: Int!) { requests(last: $n) { id model status } }", {"n": 5}, False),
        ("query($n: Int!) { requests(last: $n) { id model status } }", {"n": 1000}, True),
        ("query($n: Int! = 1000) { requests(last: $n) { id model status } }", {}, True),
        ("query($n: Int! = 1000) { requests(last: $n) { id model status } }", {"n": 5}, False),
    ],
)
async def test_a_variable_counts_with_its_value(query: str, variables: dict[str, int], refused: bool) -> None:
    async with gateway() as platform:
        told = (await platform.ask(query, variables)).json()
        assert [each["extensions"]["type"] for each in told.get("errors", [])] == ["too_costly"] * refused


async def test_a_long_prompt_goes_into_a_variable() -> None:
    async with gateway(body_bytes=8 << 20) as platform:
        query = 'mutation($p: String!) { generateText(model: "model", prompt: $p) { text } }'
        found = await platform.data(query, {"p": "x" * 2_000_000})
        assert found["generateText"]["text"] == "Hello"


INTROSPECTIONS = [
    "{ __schema { types { name } } }",
    '{ __type(name: "Model") { name } }',
    get_introspection_query(),
    get_introspection_query(descriptions=True, specified_by_url=True, input_value_deprecation=True),
]


@pytest.mark.parametrize("query", INTROSPECTIONS, ids=range(len(INTROSPECTIONS)))
async def test_the_schema_is_told_in_development_alone(query: str) -> None:
    async with gateway(developing=True) as platform:
        assert await platform.data(query)
    async with gateway() as platform:
        told = (await platform.ask(query)).json()
        assert "data" not in told
        assert {each["extensions"]["type"] for each in told["errors"]} == {"invalid_operation"}


async def test_introspection_has_limits_too() -> None:
    deep = "{ __schema { types { fields { type " + "{ ofType " * 25 + "{ name }" + " }" * 25 + " } } } }"
    async with gateway(developing=True) as platform:
        [error] = (await platform.ask(deep)).json()["errors"]
        assert error["extensions"]["type"] == "too_deep"


async def test_graphiql_is_shown_in_development_alone() -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    async with gateway(developing=True) as platform:
        page = await get(platform.port, "/graphql", browser)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"GraphiQL" in page.body
    async with gateway() as platform:
        assert (await get(platform.port, "/graphql", browser)).status == 405


async def test_no_word_of_the_schema_helps_guessing() -> None:
    async with gateway() as platform:
        [error] = (await platform.ask("{ model(id: 1) { nam } }")).json()["errors"]
        assert error["message"] == "Cannot query field 'nam' on type 'Model'."


async def test_a_batch_over_a_socket_is_refused() -> None:
    async with gateway(ScriptedProvider(())) as platform, connected(platform.url) as client:
        await client.send(type="subscribe", id="1", payload=[{"query": "{ __typename }"}])
        assert (await client.closed())[0] == 4400
