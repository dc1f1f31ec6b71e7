"""Ids of messages: clients and their logs know one by its beginning, whoever wrote the answer."""

import re

_PREFIX = "msg_"
_OTHERS = re.compile(r"^(?:chatcmpl|cmpl|gen|resp)[-_]")


def message_id(id: str) -> str:
    """One of this format as it is; another's told as one, with what makes it unlike others."""
    return id if id.startswith(_PREFIX) else _PREFIX + _OTHERS.sub("", id)
