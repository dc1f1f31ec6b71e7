"""What a key looks like: `sk-llmp-`, 43 characters that hold 256 bits, 6 of a checksum.

So scanners that look for leaked secrets can tell ours (`sk-llmp-[0-9A-Za-z]{49}`), and what was mistyped is known
for that without asking anybody.
"""

import secrets
import string
from zlib import crc32

PREFIX = "sk-llmp-"
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 43, 6


def new_key() -> str:
    random = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return PREFIX + random + _checksum(random)


def is_key(text: str) -> bool:
    """Whether it could be one of ours; whether it is can only be looked up."""
    body = text[len(PREFIX) :]
    return (
        text.startswith(PREFIX)
        and len(body) == _RANDOM + _CHECK
        and body.isascii()
        and body.isalnum()
        and body[_RANDOM:] == _checksum(body[:_RANDOM])
    )


def hint_of(text: str) -> str:
    """What may be shown of a key, so that people know which one it is: of its end, which is checksum alone."""
    return f"{PREFIX}…{text[-4:]}"


def _checksum(random: str) -> str:
    rest, found = crc32(random.encode()), ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_LETTERS))
        found = _LETTERS[digit] + found
    return found
