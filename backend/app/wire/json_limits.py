"""A bound on how deep JSON may nest, checked before anything parses it."""

from itertools import accumulate

from app.domain.errors import InvalidRequest

_SMALL = 16 * 1024
# Brackets, quotes, and every character that may follow a backslash: what stands side by side stays so.
_IRRELEVANT = bytes(set(range(256)) - set(b'{}[]"\\/bfnrtu'))
_LETTERS = b"/bfnrtu"
# An opening bracket counts +1 and a closing one -1 when a byte is read as signed.
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")


def check_depth(body: bytes, limit: int = 64) -> None:
    """Raises InvalidRequest when `body` nests deeper than `limit`. What is not JSON is the parser's matter."""
    if not _may_exceed(body, limit):
        return
    marks = body.translate(None, _IRRELEVANT).replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = marks.translate(_STEPS, _LETTERS + b"\\")
    # Two neighbouring quotes cancel out, whether they are one empty string or the seam between two.
    outside = b"".join(structure.replace(b'""', b"").split(b'"')[::2])
    if b"\x01" * (limit + 1) in outside or max(accumulate(memoryview(outside).cast("b")), default=0) > limit:
        raise InvalidRequest(f"The JSON body is nested deeper than {limit} levels.", code="nested_too_deep")


def _may_exceed(body: bytes, limit: int) -> bool:
    """Whether there are more opening brackets than `limit`, in strings or not."""
    if len(body) < _SMALL:
        return body.count(b"{") + body.count(b"[") > limit
    # find() leaps over long texts where count() looks at each byte.
    found = 0
    for bracket in (b"{", b"["):
        at = body.find(bracket)
        while at >= 0:
            found += 1
            if found > limit:
                return True
            at = body.find(bracket, at + 1)
    return False
