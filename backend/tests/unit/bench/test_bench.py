"""The bench measures what it says: its load counts right over a real socket, its tables leave nobody out."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bench import answers, costs, load, overload, report, scaling
from bench.gateways import FLOOR, first_answer
from bench.install import contenders
from bench.measure import Figures, median_of
from bench.open_loop import Answer, OpenLoop
from bench.peers import PEERS, Peer
from bench.processes import Address, NotStarted, free_port, running
from bench.scenarios import Scenario, request_bytes
from bench.turns import Results, Server
from bench.upstream import Engine, Upstream

from app.domain.chat import TextPart
from app.domain.streams import Collector
from app.integrations.model_platforms.gemini.response import AnswerDecoder
from app.integrations.model_platforms.gemini.response import StreamDecoder as GeminiDecoder
from app.integrations.model_platforms.ollama.response import StreamDecoder as OllamaDecoder
from app.wire.anthropic_messages.stream import StreamDecoder as AnthropicDecoder
from app.wire.openai_chat.stream import StreamDecoder as OpenAIDecoder

WHOLE = Scenario(name="whole", connections=2, requests=6)
STREAM = Scenario(name="stream", connections=2, requests=4, chunks=7)
PACED = Scenario(name="paced", connections=3, requests=3, chunks=3, interval_ms=1, ramp=0.02)
LONG = Scenario(name="long", connections=1, requests=2, prompt_bytes=300_000)


@asynccontextmanager
async def serving(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def of(scenario: Scenario, port: int, **other: float) -> load.Load:
    return load.Load(
        port=port,
        request=request_bytes(scenario, Address(port=port)),
        connections=scenario.connections,
        requests=scenario.requests,
        seconds=other.get("seconds", 20.0),
        ramp=scenario.ramp,
        frames=scenario.chunks,
        seconds_at_most=other.get("seconds_at_most", 20.0),
    )


class Canned(asyncio.Protocol):
    """Answers whatever arrives with the same bytes; none: closes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer:
            self._transport.write(self._answer)
        else:
            self._transport.close()


@pytest.mark.parametrize(
    ("scenario", "frames"),
    # The upstream ends each stream with a finishing chunk and [DONE].
    [(WHOLE, 0), (STREAM, 4 * (7 + 2)), (PACED, 3 * (3 + 2)), (LONG, 0)],
    ids=lambda value: value.name if isinstance(value, Scenario) else None,
)
async def test_every_request_is_answered_and_counted_once(scenario: Scenario, frames: int) -> None:
    async with serving(Upstream) as port:
        outcome = await load.run(of(scenario, port))
    assert len(outcome.latencies) == scenario.requests
    assert (outcome.errors, outcome.frames) == (0, frames)
    assert 0 < min(outcome.latencies) <= max(outcome.latencies) <= outcome.seconds


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno", "status 503"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n0\r\n\r\n",
            "a stream of 1 frames",
        ),
        (b"", "the connection ended before the answer did"),
    ],
)
async def test_what_is_not_a_whole_good_answer_is_an_error(answer: bytes, reason: str) -> None:
    async with serving(lambda: Canned(answer)) as port:
        outcome = await load.run(of(STREAM, port))
    assert (outcome.latencies, outcome.errors, outcome.first_error) == ([], 4, reason)


async def test_a_frame_and_the_end_may_lie_across_two_reads() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n8\r\ndata: 1\n\r\n8\r\ndata: 2\n\r\n0\r\n\r\n"

    class Dripping(Canned):
        def data_received(self, data: bytes) -> None:
            loop = asyncio.get_running_loop()
            for index in range(len(answer)):
                loop.call_later(index / 1000, self._transport.write, answer[index : index + 1])

    scenario = Scenario(name="dripping", connections=1, requests=1, chunks=2)
    async with serving(lambda: Dripping(b"")) as port:
        outcome = await load.run(of(scenario, port))
    assert (outcome.errors, outcome.frames) == (0, 2)


def body(answer: bytes) -> bytes:
    """Of a response; its chunks have no line that looks like the size of one."""
    head, _, data = answer.partition(b"\r\n\r\n")
    return (
        data if b"content-length" in head else re.sub(rb"(?m)^[0-9a-f]+\r\n|\r\n(?=[0-9a-f]+\r\n|\Z)", b"", data)
    )


READERS: dict[bytes, Callable[[], Any]] = {
    b"/v1/chat/completions": OpenAIDecoder,
    b"/v1/messages": AnthropicDecoder,
    b"/v1beta/models/bench:streamgeneratecontent?alt=sse": lambda: GeminiDecoder(
        AnswerDecoder(provider="bench", model="bench", id="1", created=1)
    ),
    b"/api/chat": lambda: OllamaDecoder(provider="bench", model="bench", id="1"),
}


@pytest.mark.parametrize("path", READERS, ids=bytes.decode)
def test_what_the_upstream_says_in_each_format_is_read_as_the_same_answer(path: bytes) -> None:
    said = answers.POSTS.get(path, answers.OPENAI)
    stream = said.begin + said.piece * 20 + said.last + said.figures + said.end
    decoder, collector = READERS[path](), Collector()
    for event in (*decoder.feed(body(stream)), *decoder.close()):
        collector.add(event)
    result = collector.result()
    (choice,) = result.choices
    assert choice.message.content == (TextPart(text=answers.WORD * 20),)
    assert (choice.finish_reason, result.model) == ("stop", answers.MODEL)
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (10, 20)


async def test_a_load_ends_though_its_peer_never_answers() -> None:
    async with serving(asyncio.Protocol) as port:
        with pytest.raises(TimeoutError):
            await load.run(of(WHOLE, port, seconds_at_most=0.05))


async def test_no_request_starts_after_its_time() -> None:
    async with serving(Upstream) as port:
        outcome = await load.run(of(WHOLE, port, seconds=0.0))
    assert (outcome.latencies, outcome.errors) == ([], 0)


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectionError):
        await load.run(of(WHOLE, free_port()))


def figures(cpu_us: float, errors: int = 0, p50_ms: float = 1.0) -> Figures:
    return Figures(
        cpu_us=cpu_us, p50_ms=p50_ms, p99_ms=p50_ms * 2, per_second=1000, errors=errors, peak_mb=50, load_us=5
    )


def test_the_median_of_each_figure_counts_and_errors_add_up() -> None:
    got = median_of([figures(30, errors=1), figures(10), figures(20, errors=2, p50_ms=9.0)])
    assert (got.cpu_us, got.p50_ms, got.errors) == (20, 1.0, 3)


def test_the_report_shows_what_is_added_and_leaves_no_failure_out() -> None:
    servers = [
        Server(name=FLOOR),
        Server(name="fast"),
        Server(name="broken"),
        Server(name="absent", problem="no npm"),
    ]
    found = {FLOOR: figures(10, p50_ms=1.0), "fast": figures(30, errors=2, p50_ms=3.5), "broken": "all failed"}
    text = report.markdown(report.Found(results=Results(servers=servers, scenarios={"request": dict(found)})))
    assert "| absent |  |  |  | not measured: no npm |" in text
    assert "| fast | 30.0 (2 errors) |" in text
    assert "| request | fast | 30.0 | 2.50 | 5.00 | 3.50 | 7.00 | 1,000 | 2 | 50 | 5.0 |" in text
    assert "| request | broken | failed: all failed |" in text


def test_a_server_that_does_not_come_up_says_why() -> None:
    command = [sys.executable, "-c", "raise ValueError('no such model')"]
    address = Address(port=free_port())
    with (
        pytest.raises(NotStarted, match=r"status 1: ValueError: no such model"),
        running(command, address, first_answer(address)),
    ):
        pass


def test_a_peer_that_cannot_be_installed_says_why() -> None:
    peer = Peer(name="none", source="command", package="no-such-command", version="", command=("no-such-command",))
    (contender,) = contenders(peer)
    with pytest.raises(NotStarted, match="there is no `no-such-command` here"), contender.start(9):
        pass


def test_everything_on_has_its_own_row() -> None:
    names = [contender.name for peer in PEERS for contender in contenders(peer)]
    assert len(names) == len(set(names)) == len(PEERS) + sum(peer.everything is not None for peer in PEERS)


async def test_an_open_loop_sends_at_its_rate_and_counts_what_comes_back() -> None:
    request = request_bytes(WHOLE, Address(port=0))
    async with serving(lambda: Upstream(Engine(slots=2, seconds=0.01))) as port:
        answers = await OpenLoop(port, request, rate=200.0, seconds=0.5).run()
    assert 60 < len(answers) < 140
    assert {answer.status for answer in answers} == {200}
    assert min(answer.seconds for answer in answers) >= 0.009
    refusal = b"HTTP/1.1 429 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
    async with serving(lambda: Canned(refusal)) as port:
        (answer, *_) = await OpenLoop(port, request, rate=100.0, seconds=0.1).run()
    assert (answer.status, answer.retry_after) == (429, True)
    async with serving(lambda: Canned(b"")) as port:
        (answer, *_) = await OpenLoop(port, request, rate=100.0, seconds=0.1).run()
    assert answer.status == 0


def test_the_figures_of_an_overload() -> None:
    good = [Answer(at=3.0 + n / 1000, seconds=0.1, status=200, retry_after=False) for n in range(600)]
    early = Answer(at=0.5, seconds=0.1, status=200, retry_after=False)
    refused = Answer(at=4.0, seconds=0.002, status=429, retry_after=True)
    bare = Answer(at=4.0, seconds=0.002, status=429, retry_after=False)
    broken = Answer(at=4.0, seconds=0.002, status=0, retry_after=False)
    found = overload.figures(2.0, [*good, early, refused, bare, broken], [early], recovery=0.1)
    assert (found.goodput, found.refused, found.faults) == (100.0, 1, 2)
    assert (found.refusal_p99_ms, found.health_p99_ms) == (2.0, 100.0)
    assert "| 2 x 200 a second | 100 | 100.0% | 1 | 2.0 | 100.0 | 2 | 0.10 |" in report.markdown(
        report.Found(results=Results(servers=[], scenarios={}), overload=[found])
    )


def test_a_cost_is_the_median_of_the_differences() -> None:
    found = costs.cost("log", [(100.0, 110.0), (200.0, 214.0), (90.0, 390.0), (150.0, 162.0), (100.0, 90.0)])
    assert (found.cpu_us, found.low, found.high, found.without_us) == (12.0, 10.0, 14.0, 100.0)
    text = report.markdown(report.Found(results=Results(servers=[], scenarios={}), costs=[found]))
    assert "| log | 12.0 | 10.0 to 14.0 | 100.0 |" in text


def test_workers_are_held_against_as_many_platforms() -> None:
    found = scaling.summary(2, [(100.0, 110.0), (200.0, 190.0), (100.0, 100.0)])
    assert (found.apart_us, found.together_us, found.ratio) == (100.0, 110.0, 1.0)
    text = report.markdown(report.Found(results=Results(servers=[], scenarios={}), scaling=found))
    assert "| CPU µs | 100.0 | 110.0 | 1.00 | 0.97 to 1.05 |" in text
