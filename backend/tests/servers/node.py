"""Packages for Node as a lock file has them: installed once for each, and kept with pytest's cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

MANIFESTS = ("package.json", "package-lock.json")
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def need_node() -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            reason = f"{program} is not installed: on Debian, apt-get install nodejs npm"
            # There nothing is left out.
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def installed(manifests: Path, cache: Path) -> Path:
    """The folder node_modules. Of two runs that make it at once, the first to end is kept."""
    lock = hashlib.sha256(b"".join((manifests / name).read_bytes() for name in MANIFESTS)).hexdigest()
    wanted = cache / lock[:16]
    if not wanted.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            making = Path(temporary, "packages")
            making.mkdir()
            for name in MANIFESTS:
                shutil.copy(manifests / name, making)
            subprocess.run(INSTALL, cwd=making, check=True, timeout=240)
            with suppress(OSError):
                making.rename(wanted)
    return wanted / "node_modules"
