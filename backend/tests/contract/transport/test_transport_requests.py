"""What goes on the wire, and what never does."""

from contextlib import aclosing

import pytest

from app import __version__
from app.core.http import OutboundRequest, TransportSettings, create_transport
from app.domain.errors import InvalidRequest, PlatformError
from tests.contract.transport.exchanges import serve
from tests.servers.raw_peer import Call, closed_port, raw_peer

SECRET = "canary-key-4711"


async def send(transport, **request) -> None:
    async with aclosing(await transport.open(OutboundRequest(**request))) as response:
        await response.read()


@pytest.mark.parametrize(
    ("prefix", "path", "target"),
    [
        ("", "/v1/models", "/v1/models"),
        ("/", "/v1/models", "/v1/models"),
        ("", "", "/"),
        ("", "?a=b", "/?a=b"),
        ("/v1", "", "/v1"),
        ("/v1/", "/chat", "/v1/chat"),
        ("/v1", "/a%20b%2Fc?q=%C3%A9&x=a+b", "/v1/a%20b%2Fc?q=%C3%A9&x=a+b"),
        ("/v1", "//elsewhere.example/x", "/v1//elsewhere.example/x"),
        ("/v1", "/../x/./y", "/v1/../x/./y"),
    ],
)
async def test_the_path_is_joined_to_the_base_url_untouched(connect, prefix, path, target):
    async with raw_peer(serve) as peer:
        await send(connect(peer.url + prefix), method="GET", path=path)
        assert peer.requests[0].target == target
        assert peer.requests[0].headers["host"] == f"localhost:{peer.port}"


async def test_the_fixed_headers_and_no_others(connect):
    async with raw_peer(serve) as peer:
        transport = connect(peer.url, {"Authorization": "Bearer x"})
        await send(transport, method="POST", path="/", headers=(("x-request-id", "7"),), body=b"{}")
        await send(transport, method="GET", path="/")
        fixed = {
            "host": f"localhost:{peer.port}",
            "user-agent": f"llm-platform/{__version__}",
            "accept-encoding": "identity",
            "authorization": "Bearer x",
        }
        assert peer.requests[0].headers == fixed | {"x-request-id": "7", "content-length": "2"}
        assert peer.requests[1].headers == fixed


async def test_the_request_wins_over_the_transport_wins_over_the_defaults(connect):
    async with raw_peer(serve) as peer:
        transport = connect(peer.url, {"User-Agent": "mine", "X-Org": "a"})
        await send(transport, method="GET", path="/", headers=(("x-org", "b"),))
        head = peer.requests[0].head.lower()
        assert peer.requests[0].headers["user-agent"] == "mine"
        assert peer.requests[0].headers["x-org"] == "b"
        assert (head.count(b"x-org"), head.count(b"user-agent")) == (1, 1)


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", None, None), ("POST", None, "0"), ("POST", b"", "0"), ("DELETE", b"{}", "2")],
)
async def test_the_length_is_said_where_a_body_may_be(connect, method, body, length):
    async with raw_peer(serve) as peer:
        await send(connect(peer.url), method=method, path="/", body=body)
        assert peer.requests[0].headers.get("content-length") == length
        assert peer.requests[0].body == (body or b"")


@pytest.mark.parametrize(
    "bad",
    [
        {"path": "/a\r\nx: y"},
        {"path": "/a b"},
        {"path": "/a\nb"},
        {"path": "/é"},
        {"path": "/a#fragment"},
        {"path": "@elsewhere.example/"},
        {"path": "elsewhere"},
        {"path": ":80/"},
        {"path": "/\x00"},
        {"method": "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"},
        {"method": "get"},
        {"method": ""},
        {"headers": (("x", "a\r\ny: b"),)},
        {"headers": (("x", "a\nb"),)},
        {"headers": (("x", "a\rb"),)},
        {"headers": (("x", "a\x00b"),)},
        {"headers": (("x", "é"),)},
        {"headers": (("x\r\ny", "a"),)},
        {"headers": (("x y", "a"),)},
        {"headers": (("", "a"),)},
        {"headers": (("Host", "elsewhere"),)},
        {"headers": (("Content-Length", "5"),)},
        {"headers": (("transfer-encoding", "chunked"),)},
        {"headers": (("connection", "x"),)},
    ],
    ids=repr,
)
async def test_what_could_smuggle_is_refused_before_anything_is_sent(connect, bad):
    async with raw_peer(serve) as peer:
        with pytest.raises(InvalidRequest):
            await connect(peer.url).open(OutboundRequest(**({"method": "GET", "path": "/"} | bad)))
        assert peer.calls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(connect, status):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer(status=f"{status} Elsewhere", headers=f"location: {call.peer.url}/other\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        response = await connect(peer.url).open(OutboundRequest(method="GET", path="/"))
        async with aclosing(response):
            assert response.status == status
            await response.read()
        assert len(peer.requests) == 1


async def test_proxies_of_the_environment_are_ignored(connect, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    async with raw_peer(serve) as peer:
        await send(connect(peer.url), method="GET", path="/")
        assert peer.requests[0].target == "/"


async def test_a_proxy_that_is_set_is_used(connect):
    async with raw_peer(serve) as proxy:
        await send(connect("http://upstream.invalid/v1", proxy=proxy.url), method="GET", path="/models")
        assert proxy.requests[0].target == "http://upstream.invalid/v1/models"


async def test_cookies_are_not_kept(connect):
    async def script(call: Call) -> None:
        while True:
            await call.request()
            await call.answer(headers="set-cookie: a=b\r\n")

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        await send(transport, method="GET", path="/")
        await send(transport, method="GET", path="/")
        assert "cookie" not in peer.requests[1].headers


async def test_secrets_stay_out_of_errors_and_reprs(connect):
    transport = connect(f"http://localhost:{closed_port()}", {"authorization": SECRET})
    with pytest.raises(PlatformError) as caught:
        await transport.open(OutboundRequest(method="GET", path="/"))
    seen = [repr(transport), str(transport), repr(caught.value), caught.value.message]
    error: BaseException | None = caught.value
    while error is not None:
        seen.append(repr(error))
        error = error.__context__ if not error.__suppress_context__ else error.__cause__
    assert not [text for text in seen if SECRET in text]


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://user:canary@localhost",
        "http://localhost/?key=canary",
        "http://localhost/#canary",
        "http://localhost:99999",
        "http://loc alhost/",
        "http://localhost/a b",
        "http://[::1",
    ],
)
def test_a_bad_base_url_is_refused_unquoted(client, url):
    with pytest.raises(ValueError, match="'upstream'") as caught:
        create_transport(name="upstream", base_url=url, settings=TransportSettings(client=client))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [f"{SECRET}\r\nx: y", f"{SECRET}é"])
def test_a_bad_fixed_header_is_refused_unquoted(client, value):
    with pytest.raises(ValueError, match="authorization") as caught:
        create_transport(
            name="upstream",
            base_url="http://localhost",
            headers={"authorization": value},
            settings=TransportSettings(client=client),
        )
    assert SECRET not in str(caught.value)
