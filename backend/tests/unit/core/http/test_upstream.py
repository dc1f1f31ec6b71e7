import pytest

from app.core.http.upstream import parse_upstream


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:11434", (False, "localhost", 11434, "localhost:11434", "")),
        ("https://api.example.com/v1/", (True, "api.example.com", 443, "api.example.com", "/v1")),
        ("HTTP://EXAMPLE.com", (False, "example.com", 80, "example.com", "")),
        ("http://[::1]:8000/x", (False, "::1", 8000, "[::1]:8000", "/x")),
        ("https://bücher.example", (True, "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "")),
    ],
)
def test_a_base_url_is_taken_apart(url, expected):
    upstream = parse_upstream("up", url, ())
    assert (upstream.tls, upstream.host, upstream.port, upstream.authority, upstream.prefix) == expected


def test_a_request_replaces_the_fixed_headers_it_names_in_any_case():
    upstream = parse_upstream("up", "http://localhost", (("Authorization", "a"), ("x-org", "b")))
    assert dict(upstream.fixed_beside((("AUTHORIZATION", "c"),))).keys() == {
        "user-agent",
        "accept-encoding",
        "x-org",
    }
    assert upstream.fixed_beside((("other", "c"),)) is upstream.headers


def test_its_repr_holds_no_header():
    assert "secret" not in repr(parse_upstream("up", "http://localhost", (("authorization", "secret"),)))
