"""What is given again, to whom, for how long; what is asked anew; and what is never kept."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InvalidRequest, ModelNotFound, PlatformError, UpstreamUnavailable
from app.domain.events import Finished, Opaque, StreamEvent, TextDelta, UsageReported
from app.inference.caching.kept import encode
from app.inference.policy import CachePolicy, ModelPolicy
from app.testing.providers import ScriptedProvider, Step
from tests.unit.inference.caching.room import ANN, BOB, FRAMES, HELLO, USAGE, Room, asking, settle

OTHER: list[StreamEvent] = [HELLO[0], TextDelta(text="other"), *HELLO[3:]]
WHOLE: list[StreamEvent] = [Opaque("f", b"{}", whole=True), UsageReported(usage=USAGE)]
VECTORS: list[StreamEvent] = [EmbeddingResult(model="m", vectors=((1.0, 2.0),), usage=USAGE)]


@pytest.mark.parametrize(("answer", "stream"), [(HELLO, True), (HELLO, False), (WHOLE, False), (VECTORS, False)])
async def test_the_same_request_is_asked_once_and_answered_alike(answer: list[StreamEvent], stream: bool) -> None:
    provider = ScriptedProvider(answer, OTHER)
    room = Room(provider)
    answers = [await room.ask(asking(stream=stream)) for _ in range(3)]
    assert answers == [answer] * 3
    assert len(provider.exchanges) == provider.closed == 1
    assert room.told == ["miss", "hit", "hit"]
    assert room.idle()


async def test_opaque_frames_are_given_again_byte_for_byte() -> None:
    room = Room(ScriptedProvider(FRAMES, OTHER))
    first, second = await room.ask(), await room.ask()
    assert first == FRAMES
    assert _bytes(second) == _bytes(FRAMES)


def _bytes(events: Sequence[StreamEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Opaque))


async def test_what_the_record_of_each_says() -> None:
    room = Room(ScriptedProvider(HELLO))
    await room.ask()
    await room.ask(hit := asking())
    miss, again = room.records
    assert (miss.cached, miss.attempts, miss.integration, miss.usage) == (None, 1, "scripted", USAGE)
    assert (again.cached, again.attempts, again.integration, again.usage) == ("hit", 0, None, USAGE)
    assert (miss.cost, again.cost) == (5 / 1e6, None)
    assert [each.meant for each in room.records] == ["a configured model"] * 2
    assert (hit.answered_by, again.outcome, again.tried) == ("cache", "ok", ())
    (target,) = room.catalog.current.entry("m").targets
    assert target.vitals.tokens.value(asyncio.get_running_loop().time()) == USAGE.total_tokens  # once


async def test_an_answer_has_its_time() -> None:
    room = Room(ScriptedProvider(HELLO, OTHER), policy=CachePolicy(ttl=60.0))
    await room.ask()
    await room.clock.advance(59.0)
    assert await room.ask() == HELLO
    await room.clock.advance(1.0)
    assert await room.ask() == OTHER


async def test_a_model_without_a_policy_is_left_alone() -> None:
    provider = ScriptedProvider(HELLO)
    room = Room(provider)
    for _ in range(2):
        await room.ask(asking(model="plain"))
    assert (len(provider.exchanges), room.told, room.memory.size) == (2, [None, None], 0)
    with pytest.raises(ModelNotFound):
        await room.ask(asking(model="nobody"))


@pytest.mark.parametrize(("shared", "asked"), [(False, 2), (True, 1)])
async def test_nobody_is_given_anothers_answer_unless_that_is_wanted(shared: bool, asked: int) -> None:
    provider = ScriptedProvider(HELLO)
    room = Room(provider, policy=CachePolicy(shared=shared))
    for principal in (ANN, BOB, ANN, BOB):
        assert await room.ask(asking(principal=principal)) == HELLO
    assert len(provider.exchanges) == asked


async def test_a_caller_may_want_a_new_answer_which_is_then_the_kept_one() -> None:
    provider = ScriptedProvider(HELLO, OTHER)
    room = Room(provider)
    await room.ask()
    assert await room.ask(asking(cache_control="no-cache")) == OTHER
    assert await room.ask() == OTHER
    assert (len(provider.exchanges), room.told) == (2, ["miss", "miss", "hit"])


async def test_a_caller_may_want_nothing_to_do_with_it() -> None:
    provider = ScriptedProvider(HELLO, OTHER, HELLO)
    room = Room(provider)
    await room.ask(asking(cache_control="no-store"))
    assert room.memory.size == 0
    await room.ask()
    assert await room.ask(asking(cache_control="no-store")) == HELLO
    assert await room.ask() == OTHER
    assert room.told == [None, "miss", None, "hit"]


@pytest.mark.parametrize(
    "script",
    [
        [UpstreamUnavailable("down")],
        [InvalidRequest("no")],
        [*HELLO[:2], UpstreamUnavailable("cut")],
        HELLO[:2],
        [HELLO[0], Finished(reason="error")],
        [ZeroDivisionError("defect")],
    ],
    ids=["down", "refused", "cut", "no end", "an end by error", "a defect"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_is_not_kept(script: list[Step], stream: bool) -> None:
    provider = ScriptedProvider(script, HELLO)
    room = Room(provider)
    with pytest.raises(PlatformError):
        await room.ask(asking(stream=stream))
    await settle()
    assert room.memory.size == 0
    assert await room.ask(asking(stream=stream)) == HELLO
    assert room.idle()


async def test_an_answer_that_was_left_is_not_kept() -> None:
    provider = ScriptedProvider([*HELLO[:2], asyncio.Event()], HELLO)
    room = Room(provider)
    async with aclosing(await room.router.open(asking())) as stream:
        assert await anext(aiter(stream)) == HELLO[0]
    assert (provider.closed, room.records[0].outcome, room.memory.size) == (1, "cancelled", 0)
    assert await room.ask() == HELLO
    assert room.idle()


async def test_what_the_provider_cut_for_its_content_is_not_kept() -> None:
    room = Room(ScriptedProvider([*HELLO[:3], Finished(reason="content_filter")], HELLO))
    await room.ask()
    assert await room.ask() == HELLO


@pytest.mark.parametrize(("slack", "kept"), [(0, True), (-1, False)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_large_answer_is_passed_on_and_not_kept(slack: int, kept: bool, stream: bool) -> None:
    large: list[StreamEvent] = [HELLO[0], *[TextDelta(text="x" * 1000)] * 100, *HELLO[3:]]
    room = Room(ScriptedProvider(large, HELLO), most_bytes=len(encode(large)) + slack)
    assert await room.ask(asking(stream=stream)) == large
    assert await room.ask(asking(stream=stream)) == (large if kept else HELLO)


async def test_the_answer_of_a_fallback_is_not_kept_for_the_model_that_failed() -> None:
    away, spare = (
        ScriptedProvider([UpstreamUnavailable("down")], HELLO, name="away"),
        ScriptedProvider(OTHER, name="spare"),
    )
    room = Room(away, spare, model=ModelPolicy(fallbacks=("spare",)))
    room.policy = ModelPolicy(cache=CachePolicy(), retries=0, fallbacks=("spare",))
    room.lead_to("away")
    assert await room.ask() == OTHER
    assert (await room.ask(), await room.ask()) == (HELLO, HELLO)
    assert room.told == ["miss", "miss", "hit"]


async def test_a_model_that_leads_elsewhere_begins_anew() -> None:
    room = Room(ScriptedProvider(HELLO, name="old"), ScriptedProvider(OTHER, name="new"))
    room.lead_to("old")
    assert await room.ask() == HELLO
    room.lead_to("new")
    assert await room.ask() == OTHER
    room.lead_to("old")
    assert await room.ask() == HELLO
    assert room.told == ["miss", "miss", "hit"]


class Store:
    """A shared store that may be away."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.away = False
        self.asked = 0

    async def get_cached(self, key: str) -> bytes | None:
        self._check()
        return self.values.get(key)

    async def put_cached(self, key: str, value: bytes, ttl: float) -> None:
        self._check()
        self.values[key] = value

    async def delete_cached(self, key: str) -> None:
        self._check()

    def _check(self) -> None:
        self.asked += 1
        if self.away:
            raise UpstreamUnavailable("away")


async def test_a_shared_store_has_what_another_process_put_there() -> None:
    store, provider = Store(), ScriptedProvider(HELLO)
    one, other = Room(provider, shared=store), Room(provider, shared=store)
    assert (await one.ask(), await other.ask()) == (HELLO, HELLO)
    assert (one.told, other.told, len(provider.exchanges)) == (["miss"], ["hit"], 1)
    assert store.asked == 3
    await asyncio.gather(one.ask(asking(b'{"seed":1}')), one.ask(asking(b'{"seed":1}')))
    assert (one.told[1:], store.asked) == (["miss", "coalesced"], 5)
    assert one.memory.size == 0


async def test_while_the_store_is_away_the_memory_stands_in_for_it() -> None:
    store, provider = Store(), ScriptedProvider(HELLO)
    room = Room(provider, shared=store)
    store.away = True
    for _ in range(3):
        assert await room.ask() == HELLO
    assert (room.told, len(provider.exchanges)) == (["miss", "hit", "hit"], 1)
    store.away = False
    await room.ask()
    assert room.told[-1] == "miss"


async def test_what_the_store_gives_and_nobody_can_read_is_asked_anew() -> None:
    store, provider = Store(), ScriptedProvider(HELLO)
    room = Room(provider, shared=store)
    await room.ask()
    store.values = dict.fromkeys(store.values, b"of another version")
    assert await room.ask() == HELLO
    assert await room.ask() == HELLO
    assert room.told == ["miss", "miss", "hit"]
