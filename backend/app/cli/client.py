"""A running platform over HTTP, with the standard library alone: plain answers and streams of events.

What the server sends is checked, and nothing of it reaches the terminal as it came: `printable` takes out what
could move the cursor.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import typer

from app.cli.options import ExitCode, fail

MAX_ANSWER = 64 * 2**20
"""Bytes. An answer that is larger is not one of ours."""

ANSWER_SECONDS = 30.0
STREAM_SECONDS = 600.0
"""Longest silence: a model may have to be read from a slow disk, or a download may stall and recover."""


Shape = TypeVar("Shape")


class Unreachable(Exception):
    """Nobody answers there."""


class Refused(Exception):
    """The platform answered with an error; the text is its message."""


def printable(text: object) -> str:
    """`text` without control characters: a model's name may come from anywhere."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))


class PlatformClient:
    """Raises Unreachable and Refused. `url` may have a path, where a proxy puts the platform under one."""

    def __init__(self, url: str, api_key: str | None) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            self._port = parts.port
        except ValueError:
            raise _no_address(url) from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise _no_address(url)
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._base = parts.path.rstrip("/")
        self._headers = {"accept": "application/json, text/event-stream"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    def request(self, method: str, path: str, body: object = None, *, seconds: float = ANSWER_SECONDS) -> Any:
        """The JSON of the answer. `path` begins with "/" and is quoted already; see `quoted`."""
        with self._answer(method, path, body, seconds) as answer:
            return self._decoded(self._content(answer))

    def shaped(self, answer: object, shape: type[Shape]) -> Shape:
        """`answer` as one of answers.py."""
        import msgspec

        try:
            return msgspec.convert(answer, shape)
        except msgspec.ValidationError:
            raise self._stranger() from None

    def events(self, path: str, body: object) -> Iterator[dict[str, Any]]:
        """POST, and the JSON object in each `data:` line of the answer as it comes."""
        with self._answer("POST", path, body, STREAM_SECONDS) as answer:
            while line := self._line(answer):
                if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
                    event = self._decoded(line[5:])
                    if isinstance(event, dict):
                        yield event

    def content(self, path: str) -> Iterator[bytes]:
        """GET, and the body as it comes. A file is for programs: it is not made fit for a terminal."""
        with self._answer("GET", path, None, STREAM_SECONDS) as answer:
            try:
                while piece := answer.read1(1 << 16):
                    yield piece
            except (OSError, HTTPException):
                raise Refused(f"The connection to {self.url} was lost.") from None

    def csv_page(self, path: str) -> tuple[bytes, str | None]:
        """GET, a page of CSV as it came, and what the next one is asked for by, if there is one."""
        with self._answer("GET", path, None, ANSWER_SECONDS) as answer:
            if not answer.headers.get("content-type", "").startswith("text/csv"):
                raise self._stranger()
            return self._content(answer), answer.headers.get("x-next")

    @contextmanager
    def _answer(self, method: str, path: str, body: object, seconds: float) -> Iterator[HTTPResponse]:
        kind = HTTPSConnection if self._secure else HTTPConnection
        with closing(kind(self._host, self._port, timeout=seconds)) as connection:
            headers = dict(self._headers)
            content = None
            if body is not None:
                content = json.dumps(body).encode()
                headers["content-type"] = "application/json"
            try:
                connection.request(method, self._base + path, content, headers)
                answer = connection.getresponse()
            except (OSError, HTTPException) as error:
                raise Unreachable(str(error)) from None
            with answer:
                if answer.status >= 300:
                    raise Refused(self._message(answer))
                yield answer

    def _content(self, answer: HTTPResponse) -> bytes:
        try:
            content = answer.read(MAX_ANSWER + 1)
        except (OSError, HTTPException):
            raise Refused(f"The connection to {self.url} was lost.") from None
        if len(content) > MAX_ANSWER:
            raise self._stranger()
        return content

    def _line(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.readline(MAX_ANSWER)
        except (OSError, HTTPException):
            raise Refused(f"The connection to {self.url} was lost.") from None

    def _decoded(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._stranger() from None

    def _message(self, answer: HTTPResponse) -> str:
        try:
            return printable(json.loads(self._content(answer))["error"]["message"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return f"{self.url} answered with HTTP {answer.status}. Is it an LLM platform?"

    def _stranger(self) -> Refused:
        return Refused(f"{self.url} does not answer as an LLM platform does.")


def _no_address(url: str) -> typer.BadParameter:
    return typer.BadParameter(f"{url} is no address such as http://127.0.0.1:8000", param_hint="--url")


def quoted(name: str) -> str:
    """A model's or integration's name as part of a path; the slashes of a model stay."""
    return quote(name, safe="/:")


def segment(name: str) -> str:
    """A name as one segment of a path, of what has no slashes in its names. Raises Refused."""
    if not name or "/" in name:
        raise Refused(f"{printable(name)!r} can't be a name: it needs a letter or a digit, and no slash.")
    return quote(name, safe="")


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator[PlatformClient]:
    """A client whose failures end the command: 3 where nobody answers, 1 where the answer is an error."""
    platform = PlatformClient(url, api_key)
    try:
        yield platform
    except Unreachable:
        fail(
            f"No platform answers at {platform.url}: start one with `make run` or pass --url.",
            ExitCode.UNREACHABLE,
        )
    except Refused as error:
        fail(str(error))
