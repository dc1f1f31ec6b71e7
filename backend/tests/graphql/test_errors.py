"""What goes wrong, and how it is told."""

import logging

import pytest

from app.api.graphql.errors import CODES
from app.domain import errors
from app.domain.errors import ErrorKind, PlatformError
from app.testing.providers import ScriptedProvider
from tests.graphql.gateway import ANSWER, gateway
from tests.servers.raw_client import ask, post, request_bytes

GENERATE = 'mutation { generateText(model: "model", prompt: "hi") { id } }'


def test_every_kind_has_a_code() -> None:
    assert {kind: kind.value.upper() for kind in ErrorKind} == CODES


@pytest.mark.parametrize("kind", list(ErrorKind))
async def test_an_error_of_each_kind_arrives_with_all_that_is_known(kind: ErrorKind) -> None:
    error = PlatformError("It went wrong.", param="model", retry_after=2.5, provider="scripted")
    error.kind = kind
    async with gateway(ScriptedProvider([error])) as platform:
        reply = await platform.ask(GENERATE, headers={"x-request-id": "mine"})
        assert reply.status == 200
        told = reply.json()
        assert told["data"] is None
        [shown] = told["errors"]
        assert (shown["message"], shown["path"]) == ("It went wrong.", ["generateText"])
        assert shown["locations"] == [{"line": 1, "column": 12}]
        extensions = shown["extensions"]
        assert extensions.pop("type")
        assert extensions == {
            "code": kind.name, "param": "model", "retryAfter": 2.5, "provider": "scripted", "requestId": "mine",
        }  # fmt: skip


TYPES = [
    (errors.ModelNotFound("x"), "NOT_FOUND", "model_not_found"),
    (errors.ContextLengthExceeded("x"), "OUT_OF_RANGE", "context_length_exceeded"),
    (errors.UpstreamTimeout("x"), "DEADLINE_EXCEEDED", "upstream_timeout"),
    (errors.BudgetExceeded("x"), "RESOURCE_EXHAUSTED", "insufficient_quota"),
    (errors.InvalidRequest("x", code="own_word"), "INVALID_ARGUMENT", "own_word"),
    (errors.InvalidRequest("x"), "INVALID_ARGUMENT", "invalid_argument"),
]


@pytest.mark.parametrize(("error", "code", "kind"), TYPES)
async def test_the_finer_word_is_that_of_the_other_front_ends(error: PlatformError, code: str, kind: str) -> None:
    async with gateway(ScriptedProvider([error])) as platform:
        [shown] = (await platform.ask(GENERATE)).json()["errors"]
        assert (shown["extensions"]["code"], shown["extensions"]["type"]) == (code, kind)


async def test_a_defect_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway(ScriptedProvider([*ANSWER[:1], ValueError("the secret of line 7")])) as platform:
        with caplog.at_level(logging.ERROR):
            reply = await platform.ask(GENERATE)
        [shown] = reply.json()["errors"]
        assert shown["extensions"]["code"] == "UNAVAILABLE"
        assert b"secret" not in reply.body
        assert b"Traceback" not in reply.body
        assert "the secret of line 7" in caplog.text
        assert platform.provider.closed == 1


async def test_the_errors_of_callers_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with gateway() as platform:
        with caplog.at_level(logging.WARNING):
            for query in ("{ nothing }", "{", 'mutation { generateText(model: "x", prompt: "") { id } }'):
                await platform.ask(query)
        assert [each for each in caplog.records if each.name.startswith(("app.api", "strawberry"))] == []


INVALID = [
    ("{ models { id }", "syntax_error"),
    ("{ models { nothing } }", "invalid_operation"),
    ("{ models }", "invalid_operation"),
    ("query($x: String!) { integration(name: $x) { name } }", "invalid_operation"),
    ("query A { __typename } query B { __typename }", "invalid_operation"),
    ("fragment A on Model { id }", "invalid_operation"),
    ("", "invalid_operation"),
    ("subscription { metrics { active } }", "invalid_operation"),
    ('mutation { generateText(model: "model") { id } }', "invalid_argument"),
    (
        'mutation { generateText(model: "model", prompt: "a", messages: [{role: USER}]) { id } }',
        "invalid_argument",
    ),
    ("{ requests(last: 101) { id } }", "invalid_argument"),
    ("{ requests(last: -1) { id } }", "invalid_argument"),
    (
        'mutation { generateText(model: "model", messages: [{role: TOOL, content: "x"}]) { id } }',
        "invalid_argument",
    ),
    (
        'mutation { generateText(model: "model", messages: [{role: USER, images: [{}]}]) { id } }',
        "invalid_argument",
    ),
    (
        'mutation { generateText(model: "model", prompt: "x", options: {responseFormat: {schema: [1]}}) { id } }',
        "invalid_argument",
    ),
    ('mutation { generateText(model: "model", prompt: "x", options: {seed: 1.5}) { id } }', "invalid_operation"),
]


@pytest.mark.parametrize(("query", "kind"), INVALID)
async def test_what_is_the_callers_fault_says_so(query: str, kind: str) -> None:
    async with gateway() as platform:
        reply = await platform.ask(query)
        told = reply.json()
        assert reply.status == 200
        assert told.get("data") is None
        assert {(each["extensions"]["code"], each["extensions"]["type"]) for each in told["errors"]} == {
            ("INVALID_ARGUMENT", kind)
        }
        assert platform.provider.exchanges == []


async def test_in_graphqls_own_media_type_a_refused_document_is_400() -> None:
    accept = {"Accept": "application/graphql-response+json"}
    async with gateway() as platform:
        refused = await platform.ask("{ nothing }", headers=accept)
        assert (refused.status, refused.headers["content-type"]) == (400, "application/graphql-response+json")
        assert "data" not in refused.json()
        failed = await platform.ask('mutation { generateText(model: "x", prompt: "x") { id } }', headers=accept)
        assert (failed.status, failed.json()["data"]) == (200, None)


BODIES = [
    (b"{", 400, "invalid_json"),
    (b'{"query": 1}', 400, "invalid_type"),
    (b"{}", 400, "missing_field"),
    (b'{"query": "{models{id}}", "variables": []}', 400, "invalid_type"),
    (b'[{"query": "{models{id}}"}]', 400, "batch_refused"),
    (b" [ ]", 400, "batch_refused"),
    (b'{"query": "{models{id}}", "variables": {"a": ' + b"[" * 70 + b"]" * 70 + b"}}", 400, "nested_too_deep"),
    (b'{"query": "' + b"x" * (1 << 20) + b'"}', 413, "request_too_large"),
]


@pytest.mark.parametrize(("body", "status", "kind"), BODIES)
async def test_what_is_no_request_is_refused_whole(body: bytes, status: int, kind: str) -> None:
    async with gateway() as platform:
        reply = await ask(platform.port, request_bytes("/graphql", body))
        assert reply.status == status
        assert reply.json()["errors"][0]["extensions"]["type"] == kind
        assert "data" not in reply.json()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_only_post_is_taken(method: str) -> None:
    async with gateway(developing=True) as platform:
        reply = await ask(platform.port, request_bytes("/graphql", method=method))
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_of_a_foreign_page_could_send_is_refused(media_type: str) -> None:
    async with gateway() as platform:
        reply = await post(platform.port, "/graphql", {"query": GENERATE}, {"Content-Type": media_type})
        assert reply.status == 415
        assert platform.provider.exchanges == []
