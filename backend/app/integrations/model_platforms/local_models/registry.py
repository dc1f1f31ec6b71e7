"""Which models there are: the folder and the bundled demo, as a snapshot. Reads headers only; loads nothing."""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.domain.models import Capability
from app.integrations.model_platforms.local_models.gguf_header import (
    MAGIC,
    GgufError,
    GgufHeader,
    read_header,
)

DEMO_ID = "demo"
DEMO_PATH = Path(__file__).parent / "demo" / "platform-demo.gguf"
# Endings that model files have. Others in the folder (a README, a checksum) are passed over without a word.
MODEL_SUFFIXES = frozenset({".gguf", ".ggml", ".bin", ".safetensors", ".pt", ".pth"})
_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Fingerprint(msgspec.Struct, frozen=True):
    """Tells whether a file is still the one that was read."""

    size: int
    modified_ns: int
    inode: int


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """A file that looks fit to be run. `size_bytes` counts all parts of a split file; `created`: Unix seconds."""

    id: str
    path: Path
    header: GgufHeader
    fingerprint: Fingerprint
    size_bytes: int
    created: int

    @property
    def capabilities(self) -> frozenset[Capability]:
        if self.header.pooling:
            return frozenset({"embedding"})
        found: set[Capability] = {"completion", "embedding", "json_schema"}
        template = self.header.chat_template
        if template:
            found.add("chat")
            if "tools" in template:
                found.add("tools")
        return frozenset(found)


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """`rejected`: file name -> why it is not offered."""

    models: dict[str, LocalModel] = {}
    rejected: dict[str, str] = {}


class _Rejected(Exception):
    """The file is not offered; the message says why."""


def scan(directory: Path | None, *, demo: bool, before: Inventory) -> Inventory:
    """Read the folder again; a file that stands in `before` and has not changed is not opened again.

    Raises OSError when the folder cannot be read. Blocks: call it in a thread.
    """
    known = {model.fingerprint: model for model in before.models.values()}
    models: dict[str, LocalModel] = {}
    rejected: dict[str, str] = {}
    for name, path, root in _candidates(directory, demo=demo):
        try:
            model = _model(path, root, known)
            if model.id in models:
                raise _Rejected(f"its name '{model.id}' is taken by {models[model.id].path.name}")
            models[model.id] = model
        except (_Rejected, GgufError) as reason:
            rejected[name] = str(reason)
        except OSError as error:
            rejected[name] = f"it cannot be read: {error.strerror}"
    return Inventory(models=models, rejected=rejected)


def _candidates(directory: Path | None, *, demo: bool) -> Iterable[tuple[str, Path, Path]]:
    """Name, path, and the folder that the file must not leave. The demo comes first, so nobody takes its name."""
    if demo:
        yield DEMO_PATH.name, DEMO_PATH, DEMO_PATH.parent
    if directory is None:
        return
    root = directory.resolve(strict=True)
    for name in sorted(os.listdir(root)):
        path = root / name
        split = _SPLIT.match(path.stem)
        if path.suffix.lower() in MODEL_SUFFIXES and not (split and int(split["part"]) > 1):
            yield name, path, root


def _model(path: Path, root: Path, known: dict[Fingerprint, LocalModel]) -> LocalModel:
    found = _regular(path, root)
    fingerprint = Fingerprint(found.st_size, found.st_mtime_ns, found.st_ino)
    model_id = _id(path)
    before = known.get(fingerprint)
    if before is not None and before.id == model_id:
        return before
    return LocalModel(
        id=model_id,
        path=path,
        header=_header(path),
        fingerprint=fingerprint,
        size_bytes=_size(path, root),
        created=int(found.st_mtime),
    )


def _id(path: Path) -> str:
    if path == DEMO_PATH:
        return DEMO_ID
    split = _SPLIT.match(path.stem)
    safe = _UNSAFE.sub("-", split["stem"] if split else path.stem).strip("-.")
    if not safe:
        raise _Rejected("its name holds nothing that could name a model")
    return safe


def _regular(path: Path, root: Path) -> os.stat_result:
    """A link out of the folder, a pipe or a device is not followed, opened or waited for."""
    if not path.resolve(strict=True).is_relative_to(root.resolve()):
        raise _Rejected("it is a link that leads out of the folder")
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _Rejected("it is not a regular file")
    return found


def _header(path: Path) -> GgufHeader:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != MAGIC:
        raise _Rejected(_foreign(magic))
    header = read_header(path)
    if not header.architecture:
        raise _Rejected("it names no architecture")
    if header.kind != "model" or header.architecture == "clip":
        raise _Rejected(f"it is no language model but a part of one ({header.kind}, {header.architecture})")
    return header


def _foreign(magic: bytes) -> str:
    """What it is, told by its first bytes: an extension promises nothing."""
    if magic in (b"lmgg", b"fmgg", b"tjgg"):
        return "it is in the old GGML format, which nothing reads any more: convert it to GGUF"
    if magic[:2] == b"PK" or magic[:1] == b"\x80":
        return "it is a PyTorch file, not GGUF: convert it to GGUF"
    if magic[3:] == b"\0":
        return "it looks like safetensors, not GGUF: convert it to GGUF"
    return "it is not a GGUF file"


def _size(path: Path, root: Path) -> int:
    """Bytes of the file, with its other parts where it is split. Every part must be there, and sound."""
    split = _SPLIT.match(path.stem)
    if split is None:
        return path.stat().st_size
    total, parts = path.stat().st_size, int(split["parts"])
    for number in range(2, parts + 1):
        part = path.with_name(f"{split['stem']}-{number:05}-of-{parts:05}{path.suffix}")
        if not part.exists():
            raise _Rejected(f"its part {number} of {parts} is missing")
        total += _regular(part, root).st_size
        read_header(part)
    return total
