"""JSON in and out: parsing with errors that say who has to change what. No format is known here."""

import re
from typing import Any, TypeVar

import msgspec

from app.domain.errors import InvalidRequest, ProviderProtocolError
from app.wire.choices import choices

T = TypeVar("T")

_ANY = msgspec.json.Decoder()
_PLACE = re.compile(r"(.*?)(?: - at (`key` in )?`\$\.?(.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex .*", re.DOTALL)
_CHOICE = re.compile(r"Invalid enum value '")
_SURROGATE = re.compile(rb"\\u[dD][89abAB]")
_QUOTED = re.compile(r"`([^`]*)`")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def parse_request(body: bytes) -> Any:
    """The value in a caller's `body`. Raises InvalidRequest."""
    return decode_request(_ANY, body)


def decode_request(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """`body` by `decoder`. Raises InvalidRequest that tells the place, as a dotted path in `param`."""
    check_utf8(body)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise explain(error, decoder.type) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {_syntax(error, body)}.", code="invalid_json") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deep.", code="invalid_json") from None


def check_utf8(body: bytes) -> None:
    """Raises InvalidRequest. A decoder alone does not look into the strings that it skips."""
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not valid UTF-8 at byte {error.start}.", code="invalid_json") from None


def parse_answer(text: bytes, provider: str | None) -> Any:
    """The value in what `provider` sent. Raises ProviderProtocolError."""
    try:
        return _ANY.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        name = provider or "The provider"
        raise ProviderProtocolError(f"{name} sent an answer that is not JSON.", provider=provider) from None


def explain(error: msgspec.ValidationError, kind: Any) -> InvalidRequest:
    """What msgspec found wrong with what was to be a `kind`, as a sentence for the caller."""
    match = _PLACE.fullmatch(str(error))
    complaint, in_key, path = (match[1], match[2], match[3] or "") if match else (str(error), None, "")
    if missing := _MISSING.fullmatch(complaint):
        param = _below(path, missing[1])
        return InvalidRequest(f"The required field '{param}' is missing.", code="missing_field", param=param)
    if unknown := _UNKNOWN.fullmatch(complaint):
        param = _below(path, unknown[1][:64])
        return InvalidRequest(f"There is no field '{param}' here.", code="unknown_field", param=param)
    words = "it holds characters that may not stand there" if _PATTERN.fullmatch(complaint) else complaint
    words = _QUOTED.sub(_in_words, words)
    if _CHOICE.match(words) and (allowed := choices(kind, path)):
        words = f"{words} is none of {', '.join(allowed)}".removeprefix("Invalid enum value ")
    # A path names no key of a mapping: "metadata[...]".
    inside, path = path.endswith("[...]"), path.removesuffix("[...]")
    subject = f"'{path}'" if path else "The body"
    subject = f"A name in {subject}" if in_key else f"A value in {subject}" if inside else subject
    return InvalidRequest(f"{subject}: {words[:1].lower()}{words[1:]}.", code="invalid_type", param=path or None)


def _below(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _in_words(match: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in match[1].split(" | "))


def _syntax(error: msgspec.DecodeError, body: bytes) -> str:
    if str(error) == "Input data was truncated":
        return "it holds half a surrogate pair" if _SURROGATE.search(body) else "it ends too early"
    return str(error).removeprefix("JSON is malformed: ")
