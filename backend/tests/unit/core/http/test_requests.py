"""The JSON calls on a transport that is a function."""

from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec
import pytest

from app.core.http import OutboundRequest, get_json, post_json
from app.domain.errors import (
    ModelNotFound,
    NotFound,
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)


class Canned:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"x-a": "b"}
        self.body = body
        self.closed = False

    async def read(self, limit: int = 0) -> bytes:
        if len(self.body) > limit:
            raise ProviderProtocolError("too large")
        return self.body

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.body

    async def aclose(self) -> None:
        self.closed = True


class FakeTransport:
    name = "up"
    busy = False

    def __init__(self, status: int = 200, body: bytes = b"") -> None:
        self.response = Canned(status, body)
        self.requests: list[OutboundRequest] = []

    async def open(self, request: OutboundRequest) -> Canned:
        self.requests.append(request)
        return self.response

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "value"), [(200, b'{"a":[1]}', {"a": [1]}), (201, b"[]", []), (204, b"", None)]
)
async def test_a_good_answer_is_its_value(status, body, value):
    transport = FakeTransport(status, body)
    assert await get_json(transport, "/x") == value
    assert transport.requests == [OutboundRequest(method="GET", path="/x")]
    assert transport.response.closed


async def test_a_value_is_sent_as_json():
    transport = FakeTransport(200, b"{}")
    await post_json(transport, "/x", {"model": "é"}, method="DELETE", first_byte_timeout=3.0)
    (request,) = transport.requests
    assert (request.method, request.path, request.first_byte_timeout) == ("DELETE", "/x", 3.0)
    assert request.headers == (("content-type", "application/json"),)
    assert msgspec.json.decode(request.body or b"") == {"model": "é"}


@pytest.mark.parametrize("body", [b"<html>", b"{", b'{"a":"\xff"}', b"[" * 100_000])
async def test_what_is_not_json_is_the_upstreams_fault(body):
    transport = FakeTransport(200, body)
    with pytest.raises(ProviderProtocolError) as caught:
        await get_json(transport, "/x")
    assert caught.value.provider == "up"
    assert transport.response.closed


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, UpstreamAuthFailed),
        (403, UpstreamAuthFailed),
        (404, NotFound),
        (429, UpstreamRateLimited),
        (500, UpstreamUnavailable),
        (503, UpstreamUnavailable),
        (302, UpstreamError),
        (418, UpstreamError),
    ],
)
async def test_another_status_is_an_error_by_itself(status, error):
    transport = FakeTransport(status, b"the upstream's own words")
    with pytest.raises(PlatformError) as caught:
        await get_json(transport, "/x")
    assert type(caught.value) is error
    assert "own words" not in caught.value.message
    assert transport.response.closed


@pytest.mark.parametrize(
    "call",
    [lambda *a, **k: get_json(*a, "/x", **k), lambda *a, **k: post_json(*a, "/x", {}, **k)],
    ids=["get", "post"],
)
async def test_the_callers_decoder_has_the_word(call: Callable[..., object]):
    seen: list[tuple[int, Mapping[str, str], bytes]] = []

    def decode(status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        seen.append((status, headers, body))
        return ModelNotFound("no such model")

    with pytest.raises(ModelNotFound):
        await call(FakeTransport(404, b"gone"), decode_error=decode)
    assert seen == [(404, {"x-a": "b"}, b"gone")]


async def test_an_error_body_that_is_too_large_still_is_that_error():
    with pytest.raises(UpstreamUnavailable, match="status 500"):
        await get_json(FakeTransport(500, bytes(10**6)), "/x")
