"""The name of a request in logs, in answers and towards upstreams."""

import secrets
from itertools import count

_PREFIX = secrets.token_hex(6)
_COUNTER = count(1)


def request_id(given: str = "") -> str:
    """What the caller sent as x-request-id if it is a plain short word, else a new one."""
    if 0 < len(given) <= 128 and given.isascii() and given.replace("-", "").replace("_", "").isalnum():
        return given
    return f"req-{_PREFIX}{next(_COUNTER):08x}"
