"""What is measured: each row is one load, sized so that a run takes a few seconds."""

import json

import msgspec


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`chunks` > 0 asks for a stream; `interval_ms` paces it; `prompt_bytes` sizes the request."""

    name: str
    connections: int
    requests: int
    chunks: int = 0
    interval_ms: float = 0.0
    prompt_bytes: int = 20

    @property
    def per_chunk(self) -> bool:
        return self.chunks > 0


SCENARIOS = (
    Scenario(name="request, c=1", connections=1, requests=2_000),
    Scenario(name="request, c=32", connections=32, requests=12_000),
    Scenario(name="request, c=128", connections=128, requests=12_000),
    Scenario(name="stream of 100, c=1", connections=1, requests=150, chunks=100),
    Scenario(name="stream of 100, c=64", connections=64, requests=1_280, chunks=100),
    Scenario(name="16 streams paced 5 ms", connections=16, requests=64, chunks=100, interval_ms=5),
    Scenario(name="1,000 slow streams", connections=1_000, requests=1_000, chunks=20, interval_ms=200),
    Scenario(name="100 KB prompt, c=8", connections=8, requests=2_000, prompt_bytes=100_000),
    Scenario(name="1 MB prompt, c=4", connections=4, requests=300, prompt_bytes=1_000_000),
)


def request_bytes(scenario: Scenario, port: int, model: str, key: str | None) -> bytes:
    """A chat completion as an SDK sends it."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "x" * scenario.prompt_bytes},
        ],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    if scenario.chunks:
        body["stream"] = True
    raw = json.dumps(body, separators=(",", ":")).encode()
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: application/json\r\n"
        f"content-type: application/json\r\nuser-agent: bench\r\n{authorization}content-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw
