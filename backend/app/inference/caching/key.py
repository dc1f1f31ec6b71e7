"""When two requests are the same: the name under which an answer is kept.

The top-level fields of a JSON body count by their bytes and in any order. What stands inside them counts as it is,
the order of keys too: it may steer the answer, as the order of a schema's properties does. So nothing is taken for
the same that a model could tell apart, and nothing that an upstream could read otherwise.
"""

import hashlib

import msgspec

from app.domain.errors import InvalidRequest
from app.inference.call import Call
from app.inference.entry import ModelEntry
from app.inference.policy import CachePolicy
from app.wire.top_level import locate

VERSION = 1
"""Of what is kept under a key. Counts up when it changes, so that nobody reads what another version wrote."""

_pack = msgspec.msgpack.Encoder().encode
_encode = msgspec.json.Encoder().encode


def key_of(call: Call, entry: ModelEntry, policy: CachePolicy) -> str | None:
    """None for a request that is not clear about itself: a body that says something twice.

    Part of it is who asks, unless the policy shares answers; and where the name leads, so that a reload that sends
    it elsewhere begins anew. Raises InvalidRequest.
    """
    request = request_of(call)
    if request is None:
        return None
    who = None if policy.shared else call.principal.id
    where = [(target.integration, target.model) for target in entry.targets]
    return hashlib.sha256(
        _pack((VERSION, who, entry.name, where, call.operation, call.stream, request))
    ).hexdigest()


def request_of(call: Call) -> object:
    """Equal for requests that are the same; None for one that is not clear about itself. Raises InvalidRequest."""
    encoded = call.encoded
    if encoded is None:
        return _encode(call.request)
    body = encoded.body
    try:
        members = encoded.places or locate(body)
    except InvalidRequest:
        return None
    fields = [(name, body[begin:end]) for name, (begin, end) in sorted(members.items())]
    return encoded.format, encoded.headers, fields
