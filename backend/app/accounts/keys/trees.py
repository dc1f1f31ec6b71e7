"""Where a key stands: the ids from the top of its tree down to itself, with a slash between each two."""

import hashlib
import re

_TREE = re.compile(r"u[0-9a-f]{16}")


def tree_of(principal: str) -> str:
    """The top of the tree of somebody who issues keys without having shown one. No key's id looks like it."""
    return "u" + hashlib.sha256(principal.encode()).hexdigest()[:16]


def is_tree(id: str) -> bool:
    """Whether it could be one of those."""
    return _TREE.fullmatch(id) is not None
