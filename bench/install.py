"""Peers on this machine: each in its own environment under bench/.peers, installed once, started from there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from string import Template

from bench.gateways import KEY, Contender, clean_environment, first_answer
from bench.peers import Peer, Variant
from bench.processes import Address, NotStarted, Running, free_port, running

PEERS_FOLDER = Path(__file__).parent / ".peers"
_INSTALL_SECONDS = 900


def contenders(peer: Peer) -> list[Contender]:
    """Plain and, where the peer has it, with everything on."""
    variants = {peer.name: peer.plain}
    if peer.everything is not None:
        variants[f"{peer.name}, everything on"] = peer.everything
    return [
        Contender(name=name, version=peer.version, start=partial(_start, peer, variant))
        for name, variant in variants.items()
    ]


@contextmanager
def _start(peer: Peer, variant: Variant, upstream_port: int) -> Iterator[Running]:
    """Install it unless that was done, then run it. Raises NotStarted for either."""
    environment_folder = _installed(peer)
    with tempfile.TemporaryDirectory() as home:
        names = {
            "port": str(free_port()),
            "metrics_port": str(free_port()),
            "upstream": str(upstream_port),
            "config": str(Path(home) / "config.yaml"),
            "home": home,
            "key": KEY,
        }
        Path(names["config"]).write_text(_fill(variant.config, names), "utf-8")
        address = Address(
            port=int(names["port"]),
            headers={name: _fill(value, names) for name, value in variant.headers.items()},
        )
        command = [_located(part, environment_folder, names) for part in (*peer.command, *variant.arguments)]
        environment = {**clean_environment(), **peer.environment, "HOME": home}
        with running(command, address, first_answer(address), environment=environment) as gateway:
            yield gateway


def _fill(text: str, names: dict[str, str]) -> str:
    return Template(text).substitute(names)


def _located(part: str, folder: Path, names: dict[str, str]) -> str:
    """Paths of an environment's own files are given relative to it."""
    return str(folder / part) if part.startswith(("bin/", "node_modules/")) else _fill(part, names)


def _installed(peer: Peer) -> Path:
    """The peer's environment. Raises NotStarted when it cannot be made."""
    if peer.source == "command":
        _need(peer.package)
        return PEERS_FOLDER
    folder = PEERS_FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', peer.package).strip('-')}-{peer.version}"
    stamp = folder / ".installed"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _INSTALLERS[peer.source](peer, folder)
        stamp.touch()
    return folder


def _from_pypi(peer: Peer, folder: Path) -> None:
    requirements = (f"{peer.package}=={peer.version}", *peer.also)
    if uv := shutil.which("uv"):
        _run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "-q", "-p", str(folder), *requirements])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin/python"), "-m", "pip", "install", "-q", *requirements])


def _from_npm(peer: Peer, folder: Path) -> None:
    _need("node")
    options = ("--prefix", str(folder), "--ignore-scripts", "--no-fund", "--no-audit")
    _run([_need("npm"), "install", *options, f"{peer.package}@{peer.version}"])


_INSTALLERS: dict[str, Callable[[Peer, Path], None]] = {"pypi": _from_pypi, "npm": _from_npm}


def _need(command: str) -> str:
    found = shutil.which(command)
    if found is None:
        raise NotStarted(f"there is no `{command}` here")
    return found


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False, env=dict(os.environ)
        )
    except subprocess.TimeoutExpired as error:
        raise NotStarted(f"not installed within {_INSTALL_SECONDS} s") from error
    if done.returncode:
        raise NotStarted(f"not installed: {' '.join((done.stderr or done.stdout).split())[-300:]}")
