"""What a caller's Cache-Control asks of the platform's own cache of answers."""

from app.inference.call import CacheControl


def cache_control(value: bytes | None) -> CacheControl | None:
    """The directives of a request that mean something here: https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1"""
    if not value:
        return None
    directives = {directive.strip() for directive in value.lower().split(b",")}
    if b"no-store" in directives:
        return "no-store"
    return "no-cache" if directives & {b"no-cache", b"max-age=0"} else None
