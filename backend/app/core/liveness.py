"""Whether a process that has marked a file still runs: it holds a lock on it, which goes however it ends."""

import fcntl
import os
from pathlib import Path


def mark_new(path: Path) -> int:
    """Make the file; returns what is open to write to as long as it is to count. It is locked before it has its
    name: without a lock it would be taken for that of a dead process.
    """
    early = path.with_name(f"{path.name}.new")
    file = os.open(early, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    fcntl.flock(file, fcntl.LOCK_SH)
    early.rename(path)
    return file


def mark(path: Path) -> int:
    """As `mark_new`, of a file that several processes mark."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def lives(path: Path) -> bool:
    """Raises FileNotFoundError."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)
