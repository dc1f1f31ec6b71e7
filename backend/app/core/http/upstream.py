"""Where a transport sends to, and what may go on the wire: the checks that both clients share.

Everything a caller gives is refused unless it is visibly harmless, so no value can start a second header, a second
request, or another host.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from app import __version__
from app.domain.errors import InvalidRequest

Headers = tuple[tuple[str, str], ...]

_METHOD = re.compile(r"[A-Z]{1,20}")
_PATH = re.compile(r"(?:[/?][!\"$-~]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_LINES = re.compile(r"[\t\r\n -~]*")
_FRAMING = frozenset({"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"})


class Upstream(msgspec.Struct, frozen=True):
    """`authority` is the Host header; `prefix` the base URL's path without a closing slash."""

    name: str
    tls: bool
    host: str
    port: int
    authority: str
    prefix: str
    headers: Headers
    header_names: frozenset[str]

    def __repr__(self) -> str:
        return f"Upstream({self.name!r})"

    def fixed_beside(self, headers: Headers) -> Headers:
        """The transport's headers less those that `headers` of a request replace. Raises InvalidRequest."""
        check_headers(headers)
        own = {name.lower() for name, _ in headers}
        if self.header_names.isdisjoint(own):
            return self.headers
        return tuple(field for field in self.headers if field[0].lower() not in own)


def parse_upstream(name: str, base_url: str, headers: Headers) -> Upstream:
    """Raises ValueError, never quoting the address or a header (either may hold a credential)."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise ValueError(f"The base URL of '{name}' is not a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"The base URL of '{name}' must start with http:// or https:// and name a host.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"The base URL of '{name}' must not hold credentials, a query or a fragment.")
    try:
        host = parts.hostname.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"The host in the base URL of '{name}' is not a host name.") from None
    prefix = parts.path.rstrip("/")
    if not _PATH.fullmatch(prefix) or not re.fullmatch(r"[!-~]+", host):
        raise ValueError(f"The base URL of '{name}' holds characters that must be percent-encoded.")
    tls = parts.scheme == "https"
    bracketed = f"[{host}]" if ":" in host else host
    fixed = _with_defaults(name, headers)
    return Upstream(
        name=name,
        tls=tls,
        host=host,
        port=port or (443 if tls else 80),
        authority=bracketed if port is None else f"{bracketed}:{port}",
        prefix=prefix,
        headers=fixed,
        header_names=frozenset(field.lower() for field, _ in fixed),
    )


def _with_defaults(name: str, headers: Headers) -> Headers:
    try:
        check_headers(headers)
    except InvalidRequest as error:
        raise ValueError(f"A header set for '{name}' is refused: {error.message}") from None
    own = {field.lower() for field, _ in headers}
    defaults = (("user-agent", f"llm-platform/{__version__}"), ("accept-encoding", "identity"))
    return (*(field for field in defaults if field[0] not in own), *headers)


def check_target(method: str, path: str) -> None:
    """Raises InvalidRequest."""
    if not _METHOD.fullmatch(method):
        raise InvalidRequest("The method of an upstream request must be in capital letters.")
    if not _PATH.fullmatch(path):
        raise InvalidRequest("The path of an upstream request must start with / or ? and be percent-encoded.")


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidRequest; names the header only when its name is sound."""
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise InvalidRequest("A header name for an upstream request holds forbidden characters.")
        if name.lower() in _FRAMING:
            raise InvalidRequest(f"The header '{name}' is the transport's own.")
        if not _VALUE.fullmatch(value):
            raise InvalidRequest(f"The value of the header '{name}' holds forbidden characters.")


def field_lines(headers: Headers) -> bytes:
    """As they stand on the wire. Raises InvalidRequest as `check_headers` does, but for what names may be."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or not _LINES.fullmatch(lines):
        check_headers(headers)
    return lines.encode("ascii")
