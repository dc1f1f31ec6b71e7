"""TLS with certificates made on the spot: who is trusted, who is not, and who must show one."""

import asyncio
from contextlib import aclosing

import pytest

from app.core.http import OutboundRequest, TransportSettings, create_transport
from app.domain.errors import ConnectionFailed, UpstreamTimeout
from tests.servers.certificates import Certificate
from tests.servers.raw_peer import Call, raw_peer

POST = OutboundRequest(method="POST", path="/", body=bytes(range(256)) * 4000)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {host: Certificate(folder, host) for host in ("localhost", "elsewhere", "client")}


async def echo(call: Call) -> None:
    while True:
        request = await call.request()
        await call.answer(request.body)


async def fetch(transport) -> bytes:
    async with aclosing(await transport.open(POST)) as response:
        return await response.read()


async def test_a_trusted_peer_is_spoken_to_and_kept(connect, certificates):
    own = certificates["localhost"]
    async with raw_peer(echo, tls=own.server()) as peer:
        transport = connect(peer.url, ca_file=str(own.file))
        assert await fetch(transport) == POST.body
        assert await fetch(transport) == POST.body
        assert len(peer.calls) == 1


async def test_chunks_arrive_one_by_one(connect, certificates):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for letter in (b"a", b"b", b"c"):
            await call.send(b"1\r\n" + letter + b"\r\n")
            await seen[letter].wait()
        await call.send(b"0\r\n\r\n")
        await call.until_gone()

    own, seen = certificates["localhost"], {letter: asyncio.Event() for letter in (b"a", b"b", b"c")}
    async with raw_peer(script, tls=own.server()) as peer:
        async with aclosing(await connect(peer.url, ca_file=str(own.file)).open(POST)) as response:
            async for chunk in response.chunks():
                seen[chunk].set()
        assert all(event.is_set() for event in seen.values())


@pytest.mark.parametrize(
    ("shown", "trusted"), [("localhost", None), ("localhost", "elsewhere"), ("elsewhere", "elsewhere")]
)
async def test_an_unknown_authority_or_a_wrong_name_is_refused(connect, certificates, shown, trusted):
    ca_file = str(certificates[trusted].file) if trusted else None
    async with raw_peer(echo, tls=certificates[shown].server()) as peer:
        with pytest.raises(ConnectionFailed, match="a TLS certificate that is not trusted") as caught:
            await fetch(connect(peer.url, ca_file=ca_file))
        assert caught.value.provider == "upstream"
        assert peer.requests == []


async def test_verification_can_be_switched_off(connect, certificates):
    async with raw_peer(echo, tls=certificates["elsewhere"].server()) as peer:
        assert await fetch(connect(peer.url, verify=False)) == POST.body


async def test_a_client_certificate_is_shown(connect, certificates):
    own, client = certificates["localhost"], certificates["client"]
    async with raw_peer(echo, tls=own.server(trusted_client=client)) as peer:
        known = connect(
            peer.url,
            ca_file=str(own.file),
            client_cert_file=str(client.file),
            client_key_file=str(client.key),
        )
        assert await fetch(known) == POST.body
        with pytest.raises(ConnectionFailed):
            await fetch(connect(peer.url, ca_file=str(own.file)))


async def once(call: Call) -> None:
    """So that each request comes over a connection of its own."""
    request = await call.request()
    await call.answer(request.body, headers="connection: close\r\n")


async def test_files_that_changed_count_from_the_next_connection_on(connect, certificates, tmp_path):
    own, client = certificates["localhost"], certificates["client"]
    cert, key = certificates["elsewhere"].copy(tmp_path)
    async with raw_peer(once, tls=own.server(trusted_client=client)) as peer:
        transport = connect(peer.url, ca_file=str(own.file), client_cert_file=str(cert), client_key_file=str(key))
        with pytest.raises(ConnectionFailed):
            await fetch(transport)
        client.copy(tmp_path)
        assert await fetch(transport) == POST.body


async def test_while_files_cannot_be_used_those_read_before_stay(connect, certificates, tmp_path, caplog):
    own, client = certificates["localhost"], certificates["client"]
    cert, key = client.copy(tmp_path)
    async with raw_peer(once, tls=own.server(trusted_client=client)) as peer:
        transport = connect(peer.url, ca_file=str(own.file), client_cert_file=str(cert), client_key_file=str(key))
        for spoil in (lambda: cert.write_text("half of it"), key.unlink):
            spoil()
            for _ in range(2):
                assert await fetch(transport) == POST.body
    told = [record.getMessage() for record in caplog.records if record.name == "app.core.http.tls"]
    assert (
        told
        == [
            "the certificates read before stay: The client certificate or key of 'upstream' cannot be read as PEM."
        ]
        * 2
    )


async def test_a_peer_without_tls_is_refused(connect, certificates):
    async def script(call: Call) -> None:
        await call.reader.read(100)
        await call.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(ConnectionFailed, match="could not agree on TLS"):
            await fetch(connect(peer.url.replace("http:", "https:")))


async def test_a_peer_that_never_shakes_hands_is_a_connect_timeout(connect):
    async def script(call: Call) -> None:
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url.replace("http:", "https:"), connect_timeout=0.2)
        with pytest.raises(UpstreamTimeout, match=r"no connection within 0.2 s"):
            await fetch(transport)
        async with asyncio.timeout(0.5):
            await peer.calls[0].ended.wait()


async def test_leaving_a_stream_closes_the_socket_at_once(connect, certificates):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await call.until_gone()

    own = certificates["localhost"]
    async with raw_peer(script, tls=own.server()) as peer:
        async with aclosing(await connect(peer.url, ca_file=str(own.file)).open(POST)) as response:
            assert await anext(response.chunks()) == b"a"
        async with asyncio.timeout(0.5):
            await peer.calls[0].ended.wait()


async def test_who_does_not_read_makes_the_peer_stop_sending(connect, certificates):
    total, piece = 64 * 2**20, bytes(64 * 1024)

    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while call.sent < total:
            await call.send(piece)

    own = certificates["localhost"]
    async with raw_peer(script, tls=own.server()) as peer:
        transport = connect(peer.url, ca_file=str(own.file))
        async with aclosing(await transport.open(POST)) as response:
            chunks = response.chunks()
            received = len(await anext(chunks))
            call, before = peer.calls[0], -1
            while call.sent != before:
                before = call.sent
                await asyncio.sleep(0.25)
            assert call.sent < total / 2
            async for chunk in chunks:
                received += len(chunk)
            assert received == total


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ca_file": "missing.pem"}, "ca_file of 'upstream'"),
        ({"client_cert_file": "missing.pem"}, "client certificate or key of 'upstream'"),
    ],
)
def test_tls_files_that_cannot_be_read_are_refused_when_the_transport_is_made(client, tmp_path, settings, said):
    located = {name: str(tmp_path / file) for name, file in settings.items()}
    with pytest.raises(ValueError, match=said):
        create_transport(
            name="upstream", base_url="https://localhost", settings=TransportSettings(client=client, **located)
        )
