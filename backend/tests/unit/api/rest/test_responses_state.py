"""What is kept of an answer and for whom, over a store in memory."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

from app.api.rest.openai.responses_state import ResponseState, decode
from app.domain.errors import InvalidRequest, NotFound, UpstreamError, UpstreamUnavailable
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, TextDelta
from app.domain.exchange import Encoded
from app.domain.principal import Principal
from app.domain.responses import StoredResponse
from app.inference.call import Call
from app.testing.providers import ScriptedProvider
from app.wire.openai_responses import request

NOW = 1_700_000_000.0
SAID = [Started(id="chatcmpl-1", model="m", created=0), TextDelta(text="Hi"), Finished(reason="stop")]


class MemoryStore:
    """`broken`: it answers nothing."""

    def __init__(self, broken: bool = False) -> None:
        self.kept: dict[tuple[str, str], StoredResponse] = {}
        self.broken = broken

    async def put_response(self, response: StoredResponse) -> None:
        if self.broken:
            raise UpstreamUnavailable("down")
        self.kept[response.id, response.principal] = response

    async def get_response(self, id: str, principal: str) -> StoredResponse | None:
        return self.kept.get((id, principal))

    async def response_history(self, id: str, principal: str) -> Sequence[StoredResponse]:
        if self.broken:
            raise UpstreamUnavailable("down")
        found = self.kept.get((id, principal))
        if found is None:
            if any(other == id for other, _ in self.kept):
                raise NotFound("another's")
            return []
        before = self.kept.get((found.previous_id or "", principal))
        return [*(await self.response_history(before.id, principal) if before else []), found]

    async def delete_response(self, id: str, principal: str) -> bool:
        return self.kept.pop((id, principal), None) is not None


class Asking:
    def __init__(self, *scripts: Sequence[StreamEvent | BaseException], store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.calls: list[Call] = []
        self._provider = ScriptedProvider(*(scripts or (SAID,)))
        self._state = ResponseState(self._open, lambda: [self.store], lambda: NOW)

    async def _open(self, call: Call) -> EventStream:
        self.calls.append(call)
        exchange: Any = None
        return await self._provider.chat(exchange)

    async def __call__(self, principal: str = "ann", **fields: Any) -> list[StreamEvent]:
        body = json.dumps({"model": "m", "input": "hi", **fields}).encode()
        call = Call(
            id="r",
            operation="chat",
            model="m",
            decode=partial(decode, body),
            encoded=Encoded("openai_responses", body, request.splice),
            principal=Principal(id=principal),
        )
        async with aclosing(await self._state.open(call)) as stream:
            return [event async for event in stream]

    @property
    def sent(self) -> Any:
        """The last body that went to the router."""
        encoded = self.calls[-1].encoded
        assert encoded is not None
        return json.loads(encoded.body)


def id_of(events: list[StreamEvent]) -> str:
    started = events[0]
    assert isinstance(started, Started)
    return started.id


async def test_an_answer_is_kept_with_what_was_asked() -> None:
    ask = Asking()
    id = id_of(await ask())
    (kept,) = ask.store.kept.values()
    assert (kept.id, kept.principal, kept.created, kept.previous_id) == (id, "ann", NOW, None)
    answer = json.loads(kept.body)
    assert (answer["id"], answer["output"][0]["content"][0]["text"]) == (id, "Hi")
    assert answer["completed_at"] == int(NOW)
    assert json.loads(kept.items)[0]["content"][0]["text"] == "hi"


async def test_store_false_is_obeyed() -> None:
    ask = Asking()
    await ask(store=False)
    assert not ask.store.kept


async def test_a_conversation_goes_on() -> None:
    ask = Asking()
    first = id_of(await ask(input="one"))
    second = id_of(await ask(input="two", previous_response_id=first))
    await ask(input=[{"role": "user", "content": "three"}], previous_response_id=second)
    assert "previous_response_id" not in ask.sent
    texts = [
        item["content"] if isinstance(item["content"], str) else item["content"][0]["text"]
        for item in ask.sent["input"]
    ]
    assert texts == ["one", "Hi", "two", "Hi", "three"]
    assert [message.role for message in ask.calls[-1].decode().messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    (kept,) = (each for each in ask.store.kept.values() if each.previous_id == second)
    assert len(json.loads(kept.items)) == 1
    assert json.loads(kept.body)["previous_response_id"] == second


async def test_anothers_response_is_not_there() -> None:
    ask = Asking()
    id = id_of(await ask())
    with pytest.raises(NotFound):
        await ask("bob", previous_response_id=id)
    assert len(ask.calls) == 1


async def test_what_is_unknown_here_is_left_to_the_target() -> None:
    ask = Asking()
    await ask(previous_response_id="resp_elsewhere")
    assert ask.sent["previous_response_id"] == "resp_elsewhere"
    with pytest.raises(InvalidRequest) as caught:
        ask.calls[-1].decode()
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


async def test_a_chain_that_begins_elsewhere_is_left_to_the_target() -> None:
    ask = Asking()
    id = id_of(await ask(previous_response_id="resp_elsewhere"))
    await ask(previous_response_id=id)
    assert ask.sent["previous_response_id"] == id


async def test_a_store_that_fails_refuses_to_go_on_for_now() -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        await Asking(store=MemoryStore(broken=True))(previous_response_id="resp_1")
    assert caught.value.code == "response_store_unavailable"


async def test_an_answer_that_can_not_be_kept_says_so_at_its_end() -> None:
    events = await Asking(store=MemoryStore(broken=True))()
    assert events[-1] == TextDelta(text="", extensions={"openai_responses": {"result": {"store": False}}})


async def test_an_answer_that_breaks_off_is_not_kept() -> None:
    ask = Asking([*SAID[:2], UpstreamUnavailable("cut")])
    with pytest.raises(UpstreamError):
        await ask()
    assert not ask.store.kept


RESPONSE = b'{ "id":"resp_up", "status":"completed","output":[]}'
FRAMES = [
    b'data: {"type":"response.created","response":{"id":"resp_up","status":"in_progress"}}\n\n',
    b'data: {"type":"response.completed","response":' + RESPONSE + b"}\n\n",
]


@pytest.mark.parametrize(
    "script",
    [
        [Opaque("openai_responses", RESPONSE, whole=True)],
        [Opaque("openai_responses", frame) for frame in FRAMES],
        [Opaque("openai_responses", b"".join(FRAMES))],
    ],
)
async def test_what_is_passed_on_is_kept_under_its_own_id(script: list[StreamEvent]) -> None:
    ask = Asking(script)
    assert await ask() == script
    kept = ask.store.kept["resp_up", "ann"]
    assert (kept.body, kept.created) == (RESPONSE, NOW)


async def test_what_is_passed_on_is_kept_before_its_end_is_seen() -> None:
    ask = Asking([Opaque("openai_responses", frame) for frame in FRAMES])
    body = b'{"model":"m","input":"hi"}'
    call = Call(
        id="r",
        operation="chat",
        model="m",
        decode=dict,
        encoded=Encoded("openai_responses", body, request.splice),
        principal=Principal(id="ann"),
    )
    async with aclosing(await ask._state.open(call)) as stream:
        await anext(stream)
        assert not ask.store.kept
        await anext(stream)
        assert ask.store.kept
