"""The file that a conversion writes until it is whole. Who writes it holds a lock on it, which ends with him."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: one platform there converts for itself
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".unfinished"


@contextmanager
def unfinished(target: Path) -> Iterator[Path | None]:
    """The name to write to, which becomes `target` at the end of the block; None where another has just made that.

    Waits while another process makes the same.
    """
    path = target.with_name(f".{target.name}{_SUFFIX}")
    with path.open("ab") as held:
        if fcntl is not None:
            fcntl.flock(held, fcntl.LOCK_EX)
        if target.exists():
            path.unlink(missing_ok=True)
            yield None
            return
        try:
            yield path
            os.fsync(held.fileno())
            os.replace(path, target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def remove_abandoned(folder: Path) -> None:
    """Those that nobody writes to any more."""
    for path in folder.glob(f".*{_SUFFIX}") if fcntl is not None else ():
        with suppress(OSError), path.open("ab") as held:  # locked, or gone
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
