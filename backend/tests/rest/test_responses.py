"""POST /v1/responses over scripted providers: the wire, failures, and what works without a store."""

import asyncio
import json
from typing import Any

import pytest

from app.domain.errors import UpstreamUnavailable
from app.domain.events import Opaque, TextDelta
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import ANSWER, START, eventually, gateway
from tests.servers.raw_client import Reply, connection, get, post, request_bytes

PATH = "/v1/responses"
ASK = {"model": "model", "input": "hi"}
STREAM = {**ASK, "stream": True}


def events(body: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


async def test_a_whole_answer() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, {**ASK, "metadata": {"a": "b"}})
        answer = reply.json()
        assert (reply.status, answer["object"], answer["status"]) == (200, "response", "completed")
        assert answer["id"].startswith("resp_")
        assert answer["output"][0]["content"][0]["text"] == "Hello"
        assert answer["usage"]["total_tokens"] == 5
        assert answer["metadata"] == {"a": "b"}
        assert answer["completed_at"] >= answer["created_at"]
        assert reply.headers["x-llm-provider"] == "scripted"


async def test_a_streamed_answer() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, STREAM)
        told = events(reply.body)
        assert [event["type"].removeprefix("response.") for event in told] == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        assert [event["sequence_number"] for event in told] == list(range(10))
        assert reply.body.startswith(b"event: response.created\ndata: ")
        assert b"[DONE]" not in reply.body
        assert len({event["response"]["id"] for event in told if "response" in event}) == 1


async def test_ids_are_never_the_same() -> None:
    async with gateway() as platform:
        ids = {(await post(platform.port, PATH, ASK)).json()["id"] for _ in range(3)}
        assert len(ids) == 3


PASSED_ON = [b'event: x\ndata: {"a":  1}\n\n', b'data: {"type":"response.completed"}\n\n']


@pytest.mark.parametrize(
    ("body", "script", "wanted"),
    [
        (ASK, [Opaque("openai_responses", b'{"odd" :  "spacing"}', whole=True)], b'{"odd" :  "spacing"}'),
        (STREAM, [Opaque("openai_responses", frames) for frames in PASSED_ON], b"".join(PASSED_ON)),
    ],
)
async def test_opaque_bytes_pass_untouched(body: object, script: list[Step], wanted: bytes) -> None:
    async with gateway(ScriptedProvider(script)) as platform:
        assert (await post(platform.port, PATH, body)).body == wanted


async def test_the_provider_gets_the_bytes_with_the_model_exchanged() -> None:
    async with gateway() as platform:
        body = b'{ "input":"caf\\u00e9",  "model" : "scripted/model", "x":1.50 }'
        assert (await post(platform.port, PATH, body)).status == 200
        (exchange,) = platform.provider.exchanges
        assert exchange.body_as("openai_responses") == body.replace(b"scripted/model", b"model")


async def test_a_failure_under_way_is_told() -> None:
    error = UpstreamUnavailable("'scripted' broke off.", provider="scripted")
    async with gateway(ScriptedProvider([START, TextDelta(text="Hel"), error])) as platform:
        *_, failed, last = events((await post(platform.port, PATH, STREAM)).body)
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["output"][0]["content"][0]["text"] == "Hel"
    assert (last["type"], last["error"]["type"]) == ("error", "server_error")
    assert last["sequence_number"] == failed["sequence_number"] + 1


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": []}, 400, "input"),
        ({"input": [{"role": "user"}]}, 400, "input[0].content"),
        ({"model": "unknown"}, 404, "model"),
        ({"background": True}, 400, "background"),
        ({"conversation": "conv_1"}, 400, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, 400, "prompt"),
    ],
)
async def test_what_is_refused(fields: dict[str, object], status: int, param: str) -> None:
    class Reading(ScriptedProvider):
        async def chat(self, exchange: Any) -> Any:
            assert exchange.request
            return await super().chat(exchange)

    async with gateway(Reading(ANSWER)) as platform:
        for stream in (False, True):
            reply = await post(platform.port, PATH, {**ASK, **fields, "stream": stream})
            assert (reply.status, reply.json()["error"]["param"]) == (status, param)


async def test_a_key_is_asked_for_on_every_path() -> None:
    async with gateway(key="secret") as platform:
        replies = [
            await post(platform.port, PATH, ASK),
            await post(platform.port, f"{PATH}/input_tokens", ASK),
            await get(platform.port, f"{PATH}/resp_1"),
            await get(platform.port, f"{PATH}/resp_1/input_items"),
            await get(platform.port, f"{PATH}/resp_1", method="DELETE"),
        ]
    assert [reply.status for reply in replies] == [401] * 5


async def test_without_a_store_nothing_is_kept_and_that_is_said() -> None:
    async with gateway() as platform:
        assert (await post(platform.port, PATH, ASK)).json()["store"] is False
        told = events((await post(platform.port, PATH, STREAM)).body)
        assert {event["response"]["store"] for event in told if "response" in event} == {False}


def refused_for_now(reply: Reply) -> bool:
    error = reply.json()["error"]
    return (reply.status, error["code"]) == (503, "response_store_unavailable") and "database" in error["message"]


async def test_without_a_store_what_needs_one_is_refused_for_now() -> None:
    async with gateway() as platform:
        going_on = {**ASK, "previous_response_id": "resp_1"}
        assert refused_for_now(await post(platform.port, PATH, going_on))
        assert refused_for_now(await post(platform.port, PATH, {**going_on, "stream": True}))
        assert refused_for_now(await post(platform.port, f"{PATH}/input_tokens", going_on))
        assert refused_for_now(await get(platform.port, f"{PATH}/resp_1"))
        assert refused_for_now(await get(platform.port, f"{PATH}/resp_1", method="DELETE"))
        assert not platform.provider.exchanges


async def test_tokens_are_counted_and_called_an_estimate() -> None:
    async with gateway() as platform:
        few = (await post(platform.port, f"{PATH}/input_tokens", {"input": "hello"})).json()
        many = (await post(platform.port, f"{PATH}/input_tokens", {**ASK, "input": "hello " * 1000})).json()
        assert few["object"] == "response.input_tokens"
        assert few["estimated"] is True
        assert 1 <= few["input_tokens"] < 10
        assert 1000 < many["input_tokens"] < 2000
        assert (await post(platform.port, f"{PATH}/input_tokens", {"model": "model"})).status == 400
        assert (await post(platform.port, f"{PATH}/input_tokens", [])).status == 400


async def test_tokens_are_counted_by_the_models_own_tokenizer() -> None:
    class Counting(ScriptedProvider):
        async def count_tokens(self, exchange: Any) -> int:
            assert exchange.model == "model"
            return len(exchange.request.messages)

    async with gateway(Counting(ANSWER)) as platform:
        counted = (await post(platform.port, f"{PATH}/input_tokens", {**ASK, "instructions": "x"})).json()
        assert counted == {"object": "response.input_tokens", "input_tokens": 2}
        assert (await post(platform.port, f"{PATH}/input_tokens", {**ASK, "model": "no"})).status == 404


async def test_a_body_over_the_limit_is_not_counted() -> None:
    async with gateway(body_bytes=100) as platform:
        assert (await post(platform.port, f"{PATH}/input_tokens", {"input": "x" * 200})).status == 413


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_closes_the_upstream(stream: bool) -> None:
    provider = ScriptedProvider([*ANSWER[:2], asyncio.Event()])
    async with gateway(provider) as platform:
        async with connection(platform.port) as (reader, writer):
            writer.write(request_bytes(PATH, json.dumps({**ASK, "stream": stream}).encode()))
            await eventually(lambda: provider.exchanges)
            if stream:
                await reader.readuntil(b'"Hel"')
        await eventually(lambda: provider.closed)
        await eventually(lambda: platform.records)
        assert platform.records[0].outcome == "cancelled"
