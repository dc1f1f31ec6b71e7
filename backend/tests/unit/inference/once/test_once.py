"""One answer for all requests with one Idempotency-Key: who is sent on, who is told what, what is kept."""

import asyncio
from contextlib import aclosing, suppress

import pytest

from app.domain.errors import (
    Conflict,
    ContentRefused,
    ContextLengthExceeded,
    IdempotencyKeyReused,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PlatformError,
    ProviderProtocolError,
    RateLimited,
    Unavailable,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent
from app.domain.exchange import Encoded
from app.inference.call import Call
from app.inference.once.once import Keeping
from app.testing.providers import ScriptedProvider, Step
from app.wire.splice import splice
from tests.unit.inference.caching.room import BOB, FRAMES, HELLO, settle
from tests.unit.inference.once.room import Away, Flaky, Room, calling

DUE = Keeping(ttl=100.0, lease=9.0)


def last(format: str, data: bytes) -> list[StreamEvent]:
    return [Opaque(format, data, last=True)]


@pytest.mark.parametrize("script", [HELLO, FRAMES], ids=["events", "frames"])
async def test_the_second_is_given_what_the_first_had_and_nobody_is_asked(script: list[Step]) -> None:
    room = Room(ScriptedProvider(script))
    first, second = await room.ask(), await room.ask()
    assert b"".join(each.data for each in first if isinstance(each, Opaque)) == b"".join(
        each.data for each in second if isinstance(each, Opaque)
    )
    assert [each for each in first if not isinstance(each, Opaque)] == [
        each for each in second if not isinstance(each, Opaque)
    ]
    assert room.asked == 1
    told = [(each.outcome, each.cached, each.usage is None, each.attempts) for each in room.records]
    assert told == [("ok", None, False, 1), ("ok", "replayed", True, 0)]


async def test_while_the_first_is_under_way_others_are_told_to_come_again() -> None:
    go = asyncio.Event()
    room = Room(ScriptedProvider([*HELLO[:2], go, *HELLO[2:]]))
    first = asyncio.create_task(room.ask())
    await settle()
    for _ in range(3):
        with pytest.raises(Conflict) as told:
            await room.ask()
        assert (told.value.code, told.value.retry_after) == ("idempotency_key_in_use", 1.0)
    go.set()
    assert await first == await room.ask() == HELLO
    assert room.asked == 1
    assert [each.cached for each in room.records] == [None, None, None, None, "replayed"]


async def test_a_key_stands_for_one_request() -> None:
    go = asyncio.Event()
    room = Room(ScriptedProvider([go, *HELLO]))
    first = asyncio.create_task(room.ask(call=calling(b'{"model":"model","n":1}')))
    await settle()
    with pytest.raises(IdempotencyKeyReused):
        await room.ask(call=calling(b'{"model":"model","n":2}'))
    go.set()
    await first
    with pytest.raises(IdempotencyKeyReused):
        await room.ask(call=calling(b'{"model":"model","n":2}'))
    # The order of the fields is no part of it; a field that is there twice is.
    assert await room.ask(call=calling(b'{ "n": 1, "model": "model" }')) == HELLO
    with pytest.raises(IdempotencyKeyReused):
        await room.ask(call=calling(b'{"model":"model","n":1,"n":1}'))
    assert room.asked == 1


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("other", {}),
        ("key", {"principal": BOB}),
        ("key", {"encoded": Encoded("g", b'{"model":"model"}', splice)}),
    ],
    ids=["another key", "another caller", "another endpoint"],
)
async def test_who_has_nothing_to_do_with_it(key: str, fields: dict[str, object]) -> None:
    room = Room(ScriptedProvider(HELLO))
    await room.ask()
    await room.ask(key, calling(**fields))
    assert room.asked == 2


REMEMBERED = [
    InvalidRequest("a", code="b", param="c", provider="d"),
    ContextLengthExceeded("a"),
    ContentRefused("a"),
    UnsupportedFeature("a"),
]
PASSING = [
    ModelNotFound("a"),
    RateLimited("a"),
    Overloaded("a"),
    Unavailable("a"),
    InternalError("a"),
    UpstreamError("a"),
    UpstreamUnavailable("a"),
    UpstreamTimeout("a"),
    UpstreamRateLimited("a"),
    UpstreamAuthFailed("a"),
    ProviderProtocolError("a"),
]


@pytest.mark.parametrize(
    ("error", "asked"),
    [*((each, 1) for each in REMEMBERED), *((each, 2) for each in PASSING)],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_a_provider_said_for_good_is_said_again(error: PlatformError, asked: int) -> None:
    room = Room(ScriptedProvider([error]))
    told: list[PlatformError] = []
    for _ in range(2):
        with pytest.raises(PlatformError) as raised:
            await room.ask()
        told.append(raised.value)
    first, second = told
    fields = ("message", "code", "param", "provider")
    assert type(first) is type(second)
    assert [getattr(first, each) for each in fields] == [getattr(second, each) for each in fields]
    assert (room.asked, second.replayed) == (asked, asked == 1)


async def test_what_the_platform_itself_refuses_may_be_asked_again() -> None:
    refusing = [True]

    async def refuse(call: Call, proceed: object) -> EventStream:
        if refusing.pop():
            raise InvalidRequest("not now")
        return await proceed(call)  # type: ignore[no-any-return,operator]

    room = Room(ScriptedProvider(HELLO), stages=[refuse])
    with pytest.raises(InvalidRequest):
        await room.ask()
    refusing.append(False)
    assert await room.ask() == HELLO


@pytest.mark.parametrize(
    "script",
    [
        [*HELLO[:2], UpstreamUnavailable("gone")],
        [*HELLO[:2]],
        [HELLO[0], Finished(reason="error")],
        [Started(id="1", model="model", created=0), RuntimeError("a defect")],
        last("openai_responses", b'{"type":"response.failed","response":{"status": "failed"}}'),
        last("openai_chat", b'{"choices":[{"finish_reason":"error"}]}'),
        [],
    ],
    ids=["cut", "no end", "an error as its end", "a defect", "a failed response", "a failed chat", "nothing"],
)
async def test_what_did_not_come_to_a_good_end_is_asked_again(script: list[Step]) -> None:
    room = Room(ScriptedProvider(script, HELLO))
    with suppress(PlatformError):
        await room.ask()
    assert await room.ask() == HELLO
    assert room.asked == 2


async def test_one_who_leaves_gives_the_key_free() -> None:
    never = asyncio.Event()
    room = Room(ScriptedProvider([never], [*HELLO[:2], never], HELLO))
    waiting = asyncio.create_task(room.ask())
    await settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    await settle()
    async with aclosing(await room.open("key", room.router.open, calling())) as stream:
        assert await anext(stream) == HELLO[0]
    await settle()
    assert room.provider.closed == 2
    assert await room.ask() == HELLO
    assert [each.outcome for each in room.records] == ["cancelled", "cancelled", "ok"]


async def test_an_answer_that_is_too_large_is_not_kept() -> None:
    room = Room(ScriptedProvider(HELLO), Keeping(most_bytes=40))
    for _ in range(2):
        assert await room.ask() == HELLO
    assert room.asked == 2


async def test_an_answer_is_kept_before_its_end_is_told_and_for_its_time() -> None:
    room = Room(ScriptedProvider(FRAMES), DUE)
    async with aclosing(await room.open("key", room.router.open, calling())) as stream:
        async for event in stream:
            if isinstance(event, Opaque) and event.last:
                assert len(await room.ask()) > 0
    await room.clock.advance(99.0)
    await room.ask()
    assert room.asked == 1
    await room.clock.advance(1.0)
    await room.ask()
    assert room.asked == 2


async def test_a_long_answer_keeps_its_key() -> None:
    go = asyncio.Event()
    room = Room(ScriptedProvider([go, *HELLO]), DUE)
    first = asyncio.create_task(room.ask())
    await settle()
    for _ in range(20):
        await room.clock.advance(3.0)
        with pytest.raises(Conflict):
            await room.ask()
    go.set()
    assert await first == HELLO
    await room.clock.advance(50.0)
    assert await room.ask() == HELLO
    assert room.asked == 1


async def test_a_key_that_nobody_renews_is_free_after_its_lease(caplog: pytest.LogCaptureFixture) -> None:
    go = asyncio.Event()
    room = Room(ScriptedProvider([*HELLO[:2], go, *HELLO[2:]], HELLO), DUE)
    room.claims = claims = Flaky(1 << 20, room.clock.monotonic)
    first = asyncio.create_task(room.ask())
    await settle()
    claims.away = True
    await room.clock.advance(8.9)
    with pytest.raises(Conflict):
        await room.ask()
    await room.clock.advance(0.1)
    claims.away = False
    assert await room.ask() == HELLO
    go.set()
    assert await first == HELLO
    assert await room.ask() == HELLO
    assert room.asked == 2
    assert "was lost" in caplog.text


async def test_who_paid_for_an_answer_gets_it_though_it_can_not_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(ScriptedProvider(HELLO), DUE)
    room.claims = claims = Flaky(1 << 20, room.clock.monotonic)
    claims.away = True
    assert await room.ask() == HELLO
    with pytest.raises(Conflict):
        await room.ask()
    await room.clock.advance(9.0)
    assert await room.ask() == HELLO
    assert "stays taken for 9 s" in caplog.text


async def test_without_what_keeps_keys_nobody_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(ScriptedProvider(HELLO))
    for store in (None, Away()):
        room.claims = store
        with pytest.raises(Unavailable) as told:
            await room.ask()
        assert told.value.code == "idempotency_unavailable"
        assert told.value.retry_after is not None
    assert room.asked == 0


async def test_what_another_version_wrote_is_not_taken_for_an_answer() -> None:
    class Strange(Away):
        async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
            return b"?"

    room = Room(ScriptedProvider(HELLO))
    room.claims = Strange()
    with pytest.raises(InternalError):
        await room.ask()
    assert room.asked == 0
