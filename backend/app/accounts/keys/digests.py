"""What is kept of a key: a digest that nobody can make, or hold a guess against, without the platform's secret."""

import os
import secrets
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path

FILE = "key-secret"
BYTES = 32


class Digests:
    """`secret_id` tells one secret from another and nothing of it."""

    def __init__(self, secret: bytes) -> None:
        # A keyed hash by design (RFC 7693), begun once: a fifth of what HMAC-SHA256 costs each request.
        self._begun = blake2b(key=sha256(secret).digest(), digest_size=32)
        self.secret_id = self.of("secret-id").hex()[:16]

    def of(self, key: str) -> bytes:
        digest = self._begun.copy()
        digest.update(key.encode("utf-8", "surrogateescape"))
        return digest.digest()


def digests_of(secret: str | None, folder: Path) -> Digests:
    """With the secret that was set, else with the one in `folder`, which the first process to come makes.

    Raises OSError where it can be neither read nor made, ValueError where it is no secret.
    """
    return Digests(secret.encode() if secret else _kept(folder / FILE))


def _kept(file: Path) -> bytes:
    if not file.exists():
        _make(file)
    found = bytes.fromhex(file.read_text("ascii").strip())
    if len(found) < BYTES:
        raise ValueError(f"{file} is too short")
    return found


def _make(file: Path) -> None:
    """Whole, or not at all: where several processes come at once, all read what the fastest made."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{FILE}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
        ) as writing:
            writing.write(secrets.token_hex(BYTES))
            writing.flush()
            os.fsync(writing.fileno())
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
