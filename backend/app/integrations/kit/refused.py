"""Leaving out of a request what a server answers with an error. Only such a body is written anew."""

from collections.abc import Iterable

import msgspec

Members = dict[str, msgspec.Raw]

_object = msgspec.json.Decoder(Members)
_objects = msgspec.json.Decoder(list[Members])


def drop(body: bytes, fields: Iterable[str]) -> bytes:
    """`body`, a JSON object, without `fields`: a name, or "list[].name" for a member of each object in a list.

    Bytes that hold none of the names come back as they are, and so does what no server would accept anyway.
    """
    suspects = [field for field in fields if b'"%b"' % field.rpartition(".")[2].encode() in body]
    if not suspects:
        return body
    try:
        members = _object.decode(body)
        changed = [_drop_one(members, *field.partition("[].")) for field in suspects]
    except msgspec.MsgspecError:
        return body
    return msgspec.json.encode(members) if any(changed) else body


def _drop_one(members: Members, field: str, in_list: str, inner: str) -> bool:
    if not in_list:
        return members.pop(field, None) is not None
    entries = _objects.decode(members.get(field, msgspec.Raw(b"[]")))
    dropped = [entry.pop(inner, None) for entry in entries]
    if not any(value is not None for value in dropped):
        return False
    members[field] = msgspec.Raw(msgspec.json.encode(entries))
    return True
