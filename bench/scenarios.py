"""What is measured: each row is one load, sized so that a run takes about two seconds."""

import json

import msgspec

from bench.processes import Address
from bench.upstream import wishes

MESSAGES = "/v1/messages"
"""Where Anthropic's format is spoken."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`chunks` > 0 asks for a stream; `interval_ms` paces it; `prompt_bytes` sizes the request.

    No request starts after `requests` or `seconds`. The connections open evenly over `ramp` seconds. Before
    the first run that counts, the scenario is run for `warm_up` seconds.
    """

    name: str
    connections: int
    requests: int = 100_000
    seconds: float = 1.5
    warm_up: float = 0.3
    ramp: float = 0.0
    chunks: int = 0
    interval_ms: float = 0.0
    prompt_bytes: int = 20


SCENARIOS = (
    Scenario(name="request, c=1", connections=1),
    Scenario(name="request, c=32", connections=32, seconds=2.0),
    Scenario(name="request, c=128", connections=128),
    Scenario(name="stream of 100, c=1", connections=1, chunks=100),
    Scenario(name="stream of 100, c=64", connections=64, chunks=100, seconds=2.0),
    Scenario(name="16 streams paced 5 ms", connections=16, chunks=100, interval_ms=5, seconds=1.2),
    Scenario(
        name="1,000 slow streams",
        connections=1_000,
        requests=1_000,
        seconds=10.0,
        warm_up=0.0,
        ramp=1.0,
        chunks=20,
        interval_ms=150,
    ),
    Scenario(name="100 KB prompt, c=8", connections=8, prompt_bytes=100_000),
    Scenario(name="1 MB prompt, c=4", connections=4, prompt_bytes=1_000_000),
)


def chat_body(scenario: Scenario | None, address: Address) -> bytes:
    """A chat as an SDK sends it to `address`; None: the smallest that is worth an answer."""
    text = wishes(scenario.chunks, scenario.interval_ms) if scenario else "Answer briefly."
    system = f"You are a helpful assistant. {text}"
    messages = [{"role": "user", "content": "x" * (scenario.prompt_bytes if scenario else 1)}]
    prompt: dict[str, object] = {"messages": [{"role": "system", "content": system}, *messages]}
    if address.path == MESSAGES:
        prompt = {"system": system, "messages": messages}
    body = {"model": address.model, **prompt, "temperature": 0.7, "max_tokens": 256}
    if scenario and scenario.chunks:
        body["stream"] = True
    return json.dumps(body, separators=(",", ":")).encode()


def request_bytes(scenario: Scenario, address: Address) -> bytes:
    """The whole HTTP request."""
    body = chat_body(scenario, address)
    headers = {
        "host": f"127.0.0.1:{address.port}",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "bench",
        "content-length": str(len(body)),
        **address.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {address.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
