"""The folder of models, looked through: which files make up which model. Opens none of them."""

import os
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

# Endings that model files have. Others in the folder (a README, a checksum) are passed over without a word.
MODEL_SUFFIXES = frozenset({".gguf", ".ggml", ".bin", ".safetensors", ".pt", ".pth"})
# What stands beside weights and says what they are.
DESCRIPTIONS = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
# Levels, the folder itself being the first: the cache of huggingface_hub has its files in the fourth.
DEEPEST = 4
MOST_ENTRIES = 20_000

_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})$")
_MOST_PARTS = 1000
# What trainers call weights whose folder has the model's name.
_NAMELESS = frozenset({"model", "pytorch_model", "consolidated"})
_CACHED = "models--"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Rejected(Exception):
    """The file is not offered; the message says why."""


class Mark(msgspec.Struct, frozen=True):
    """Tells whether a file is still the one that was read."""

    size: int
    modified_ns: int
    inode: int


Marks = tuple[Mark, ...]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """`name`: of its first file, from the folder `root` on, which no file of it may leave."""

    name: str
    path: Path
    root: Path

    @property
    def id(self) -> str:
        """Raises Rejected."""
        split = _SPLIT.match(self.path.stem)
        stem = split["stem"] if split else self.path.stem
        if stem in _NAMELESS and self.path.parent != self.root:
            stem = _folder_name(self.path.parent)
        safe = _UNSAFE.sub("-", stem).strip("-.")
        if not safe:
            raise Rejected("its name holds nothing that could name a model")
        return safe

    def files(self) -> tuple[Path, ...]:
        """All parts of it. Raises Rejected when one is missing, or is no file of this folder."""
        split = _SPLIT.match(self.path.stem)
        if split is None:
            return (self._within(self.path),)
        parts = int(split["parts"])
        if parts > _MOST_PARTS:
            raise Rejected(f"it is one of {parts} parts, more than make sense")
        return tuple(self._part(split["stem"], number, parts) for number in range(1, parts + 1))

    def _part(self, stem: str, number: int, parts: int) -> Path:
        path = self.path.with_name(f"{stem}-{number:05}-of-{parts:05}{self.path.suffix}")
        if not path.exists():
            raise Rejected(f"its part {number} of {parts} is missing")
        return self._within(path)

    def descriptions(self) -> tuple[Path, ...]:
        """Those files beside it that say what it is. Raises Rejected."""
        beside = (self.path.parent / name for name in DESCRIPTIONS)
        return tuple(self._within(path) for path in beside if path.exists())

    def _within(self, path: Path) -> Path:
        """A link out of the folder, a pipe or a device is not followed, opened or waited for."""
        if _printable(path) != str(path):
            raise Rejected("its name is not UTF-8")
        # Not Path.resolve, to which a link to itself is no OSError before Python 3.13.
        if not Path(os.path.realpath(path, strict=True)).is_relative_to(self.root.resolve()):
            raise Rejected("it is a link that leads out of the folder")
        if not stat.S_ISREG(path.stat().st_mode):
            raise Rejected("it is not a regular file")
        return path


def _folder_name(folder: Path) -> str:
    """In the cache of huggingface_hub a folder is named after its commit, and one above after the model."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith(_CACHED):
        return folder.parent.parent.name.removeprefix(_CACHED)
    return folder.name


def marks(files: tuple[Path, ...]) -> Marks:
    """Raises OSError."""
    found = (path.stat() for path in files)
    return tuple(Mark(each.st_size, each.st_mtime_ns, each.st_ino) for each in found)


def candidates(directory: Path) -> list[Candidate]:
    """In the order of their names; the first part of what is split. Raises OSError when the folder can't be
    read.
    """
    root = Path(os.path.realpath(directory, strict=True))
    found = (Path(entry.path) for entry in islice(_walk(root, 1), MOST_ENTRIES))
    return [
        Candidate(name=_printable(path.relative_to(root)), path=path, root=root)
        for path in sorted(found)
        if path.suffix.lower() in MODEL_SUFFIXES and not _is_later_part(path)
    ]


def _walk(folder: Path, depth: int) -> Iterator["os.DirEntry[str]"]:
    """Everything but folders, and what is hidden."""
    with os.scandir(folder) as entries:
        seen = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in seen:
        if not entry.is_dir(follow_symlinks=False) or _is_model_name(entry.name):
            yield entry
        elif depth < DEEPEST:
            yield from _walk(Path(entry.path), depth + 1)


def _printable(path: Path) -> str:
    """A name may be any bytes; they come as what no text, and no JSON, can hold."""
    return str(path).encode(errors="backslashreplace").decode()


def _is_model_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in MODEL_SUFFIXES


def _is_later_part(path: Path) -> bool:
    split = _SPLIT.match(path.stem)
    return split is not None and int(split["part"]) > 1
