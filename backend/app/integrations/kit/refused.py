"""Leaving out of a request what a server answers with an error, or calling it as the server does; and saying to it
what it would otherwise assume. Only such a body is written anew.
"""

from collections.abc import Iterable, Mapping

import msgspec

Members = dict[str, msgspec.Raw]

_object = msgspec.json.Decoder(Members)
_objects = msgspec.json.Decoder(list[Members])


def drop(body: bytes, fields: Iterable[str], dropped: list[str] | None = None) -> bytes:
    """`body`, a JSON object, without `fields`: a name, or "list[].name" for a member of each object in a list. One
    written "name>other" becomes `other`, unless that is there too. `dropped` is told what was left out.

    Bytes that hold none of the names come back as they are, and so does what no server would accept anyway.
    """
    suspects = [field for field in fields if b'"%b"' % _name(field).encode() in body]
    if not suspects:
        return body
    try:
        members = _object.decode(body)
        changed = [field for field in suspects if _drop_one(members, field)]
    except msgspec.MsgspecError:
        return body
    if dropped is not None:
        dropped += [field for field in changed if ">" not in field]
    return msgspec.json.encode(members) if changed else body


def add(body: bytes, fields: Mapping[str, object]) -> bytes:
    """`body`, a JSON object, with those of `fields` that it lacks."""
    try:
        members = _object.decode(body)
    except msgspec.MsgspecError:
        return body
    lacking = {name: value for name, value in fields.items() if name not in members}
    return msgspec.json.encode({**members, **lacking}) if lacking else body


def _name(field: str) -> str:
    return field.partition(">")[0].rpartition(".")[2]


def _drop_one(members: Members, field: str) -> bool:
    field, _, other = field.partition(">")
    field, in_list, inner = field.partition("[].")
    if not in_list:
        value = members.pop(field, None)
        if value is not None and other:
            members.setdefault(other, value)
        return value is not None
    entries = _objects.decode(members.get(field, msgspec.Raw(b"[]")))
    dropped = [entry.pop(inner, None) for entry in entries]
    if not any(value is not None for value in dropped):
        return False
    members[field] = msgspec.Raw(msgspec.json.encode(entries))
    return True
