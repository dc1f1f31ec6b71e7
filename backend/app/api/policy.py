"""What the front-ends obey and a reload may change: one immutable snapshot."""

import msgspec

from app.api.identity import Authenticator


class ApiPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`body_bytes` and `json_depth` bound a request; `comment_seconds`: the silence after which a stream gets an
    SSE comment; `origins`: the browser origins that may call.
    """

    authenticator: Authenticator
    body_bytes: int
    json_depth: int
    comment_seconds: float
    origins: tuple[str, ...] = ()
