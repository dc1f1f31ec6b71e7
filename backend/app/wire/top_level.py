"""Where the members of a JSON object stand in its bytes, and whether one of them stands twice.

The body is valid JSON and an object: a decoder has been over it. A provider may read a repeated key, or one in
other letter case, differently than the gateway did, and so be made to serve what was never checked: such bodies
are refused. (Go's encoding/json folds case, U+017F and U+212A among it: https://pkg.go.dev/encoding/json#Unmarshal)
"""

import re

import msgspec

from app.domain.errors import InvalidRequest

_KEY = re.compile(rb'\s*[{,]\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:\s*', re.DOTALL)
# A letter or underscore written as an escape, and the two foreign characters that fold to an ASCII letter.
_DISGUISE = re.compile(rb"\\u(?:00[4-7]|017[fF]|212[aA])|\xc5\xbf|\xe2\x84\xaa")
_LARGE = 16 * 1024
_MOST_MEMBERS = 1_000

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_key = msgspec.json.Decoder(str).decode


def locate(body: bytes) -> dict[str, tuple[int, int]]:
    """Each key of the object, and where its value begins and ends.

    Raises InvalidRequest if a key stands twice, or if there are more than a request could have use for.

    The decoder keeps the last value of each key. Those values are laid along the body: if keys and values meet
    it all the way to its end, then nothing else is there.
    """
    spans: dict[str, tuple[int, int]] = {}
    at = 0
    members = _decode_members(body)
    if len(members) > _MOST_MEMBERS:
        raise InvalidRequest(f"The body has more than {_MOST_MEMBERS:,} fields.", code="too_many_fields")
    for name, raw in members.items():
        key, value = _KEY.match(body, at), bytes(raw)
        if key is None or _decode_key(key[1]) != name:
            break
        if not body.startswith(value, key.end()):
            raise _twice(name)
        at = key.end() + len(value)
        spans[name] = (key.end(), at)
    if surplus := _KEY.match(body, at):
        raise _twice(_decode_key(surplus[1]))
    return spans


def _twice(name: str) -> InvalidRequest:
    name = name[:64]
    return InvalidRequest(f"The field '{name}' is given more than once.", code="duplicate_field", param=name)


def refuse_ambiguous(body: bytes, names: tuple[bytes, ...]) -> dict[str, tuple[int, int]] | None:
    """Raises InvalidRequest when a key of `names` (each in its quotes) stands twice or in disguise.

    Looks closely, and then minds every repeated key, only where a count of the names gives reason to, or where the
    body is so long that counting takes as long. Then it returns what `locate` found.
    """
    if len(body) < _LARGE and not _suspicious(body, names):
        return None
    folded = {name[1:-1].decode() for name in names}
    places = locate(body)
    for key in places:
        if key not in folded and key.casefold() in folded:
            right = key.casefold()
            message = f"The field '{key[:40]}' has to be written '{right}'."
            raise InvalidRequest(message, code="unknown_field", param=right)
    return places


def _suspicious(body: bytes, names: tuple[bytes, ...]) -> bool:
    lowered = body.lower()
    for name in names:
        count = lowered.count(name)
        if count and (count > 1 or name not in body):
            return True
    return disguised(body)


def disguised(body: bytes) -> bool:
    """Whether some ASCII letter may be written as something else."""
    return (b"\\u" in body or not body.isascii()) and _DISGUISE.search(body) is not None
