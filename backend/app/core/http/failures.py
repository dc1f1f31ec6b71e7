"""What went wrong on the way to an upstream, in words that leak no address, no header and no library text."""

import errno
import re
import socket
import ssl

from app.domain.errors import ConnectionFailed, ConnectionRefused, ProviderProtocolError, UpstreamTimeout

BROKE = "broke the connection."
CLOSED_EARLY = "closed the connection before its answer was whole."
TRANSPORT_CLOSED = "is no longer connected: its transport was closed."
LEFT = "was left before its answer was read."
NOT_HTTP = "sent something that is not HTTP/1.1."
TRANSFER_CODING = "answered in a transfer coding that was not asked for."
HEAD_TOO_LARGE = "sent a response head that is too large."


def unavailable(name: str, what: str) -> ConnectionFailed:
    return ConnectionFailed(f"'{name}' {what}", provider=name)


def garbled(name: str, what: str) -> ProviderProtocolError:
    return ProviderProtocolError(f"'{name}' {what}", provider=name)


def timed_out(name: str, what: str, seconds: float) -> UpstreamTimeout:
    """`what` completes "gave no …"."""
    return UpstreamTimeout(f"'{name}' gave no {what} within {seconds:g} s.", provider=name)


def too_large(name: str, limit: int) -> ProviderProtocolError:
    return garbled(name, f"answered with more than {limit} bytes.")


def broken(name: str, error: OSError) -> ConnectionFailed:
    """The order matters: the TLS errors and gaierror are OSErrors too."""
    if _refused(error):
        return ConnectionRefused(f"'{name}' refused the connection.", provider=name)
    match error:
        case ssl.SSLCertVerificationError():
            what = "showed a TLS certificate that is not trusted."
        case ssl.SSLError():
            what = "could not agree on TLS."
        case socket.gaierror():
            what = "has a host name that was not found."
        case ConnectionError():
            what = BROKE
        case _:
            what = "could not be reached."
    return unavailable(name, what)


def _refused(error: OSError) -> bool:
    """By each address of the host: where there are several, asyncio tells their errors in the words of one."""
    codes = re.findall(r"\[Errno (\d+)\]", str(error))
    return bool(codes) and {int(code) for code in codes} == {errno.ECONNREFUSED}


def lost(name: str, error: Exception | None) -> ConnectionFailed:
    """The connection ended under a request: with `error`, or by an end of file."""
    if isinstance(error, OSError):
        return broken(name, error)
    return unavailable(name, CLOSED_EARLY)
