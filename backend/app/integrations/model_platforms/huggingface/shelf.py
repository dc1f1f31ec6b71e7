"""The models' folder, which `custom_models` watches: where pulls are made ready, out of its sight, and put.

`.hub/partial` holds pulls that are not over, one folder each; `.hub/receipts` tells of each model here where it
came from. Methods block on the disk: call them in a thread. They may raise OSError.
"""

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import msgspec

from app.domain.errors import Conflict
from app.integrations.model_platforms.huggingface.choosing import Choice
from app.integrations.model_platforms.huggingface.names import Wanted
from app.integrations.model_platforms.huggingface.repository import RemoteFile, Repository

FILES = "files"
"""The folder within a partial pull whose content is, or becomes, the model."""

FORGOTTEN_SECONDS = 7 * 86400.0
"""After so long without a byte, what is left of a pull is deleted."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`place`: the name in the models' folder of the model's folder or of its first file. `names`: of each file
    there, relative to the models' folder, in the order of `files`.
    """

    repository: str
    commit: str
    place: str
    names: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    quantization: str | None = None

    @property
    def digests(self) -> tuple[str | None, ...]:
        return tuple(file.sha256 or file.blob for file in self.files)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A pull as it was decided on once. `placing`: every file is there and checked; what is no more in the partial
    folder is in its place already.
    """

    receipt: Receipt
    format: str
    why: str
    folder: bool
    placing: bool = False

    @property
    def size(self) -> int:
        return sum(file.size or 0 for file in self.receipt.files)


class Shelf:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._partial = root / ".hub" / "partial"
        self._receipts = root / ".hub" / "receipts"

    def partial(self, wanted: Wanted) -> Path:
        """Where a pull of that name is made ready."""
        digest = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()[:16]
        return self._partial / f"{wanted.repository.replace('/', '--')}-{digest}"

    def plan_of(self, wanted: Wanted) -> Plan | None:
        """What was decided when it was begun before; None if it was not, or too long ago."""
        self._forget_old()
        try:
            return msgspec.json.decode((self.partial(wanted) / "plan.json").read_bytes(), type=Plan)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def keep_plan(self, wanted: Wanted, plan: Plan) -> None:
        folder = self.partial(wanted)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "plan.json", plan)

    def make_plan(self, repository: Repository, choice: Choice) -> Plan:
        names = [PurePosixPath(file.name).name for file in choice.files]
        owner, _, name = repository.id.rpartition("/")
        place = self._free_place(name if choice.folder else names[0], repository.id, owner)
        if choice.folder:
            names = [f"{place}/{each}" for each in names]
        else:
            names = [place.removesuffix(names[0]) + each for each in names]
        receipt = Receipt(
            repository=repository.id,
            commit=repository.commit,
            place=place,
            names=tuple(names),
            files=choice.files,
            quantization=choice.quantization,
        )
        return Plan(receipt=receipt, format=choice.format, why=choice.why, folder=choice.folder)

    def has(self, plan: Plan) -> bool:
        """Whether all of it was pulled before and is here still."""
        known = self._receipt(plan.receipt.place)
        return (
            known is not None
            and known.digests == plan.receipt.digests
            and all(self._size(name) == file.size for name, file in zip(known.names, known.files, strict=True))
        )

    def missing_bytes(self, wanted: Wanted, plan: Plan) -> int:
        """What has to come still."""
        folder = self.partial(wanted) / FILES
        there = sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
        return max(plan.size - there, 0)

    def place(self, wanted: Wanted, plan: Plan) -> None:
        """Every file is there and checked: show them. May be done again, once broken off. Raises Conflict."""
        partial, receipt = self.partial(wanted), plan.receipt
        if not self._is_free(receipt.place, receipt.repository):
            raise Conflict(f"'{receipt.place}' was put into the models' folder meanwhile: move it and pull again.")
        self._receipts.mkdir(parents=True, exist_ok=True)
        _write(self._receipts / f"{receipt.place}.json", receipt)
        if plan.folder:
            self._place_folder(partial / FILES, self.root / receipt.place)
        else:
            for name in receipt.names:
                with suppress(FileNotFoundError):  # it is there already
                    (partial / FILES / name).replace(self.root / name)
        shutil.rmtree(partial)

    def delete(self, wanted: Wanted) -> bool:
        """Whether there was anything."""
        found = [receipt for receipt in self._all_receipts() if _means(wanted, receipt)]
        for receipt in found:
            for name in receipt.names:
                (self.root / name).unlink(missing_ok=True)
            if receipt.names[0] != receipt.place:
                with suppress(OSError):  # there is something else in it, or it is gone
                    (self.root / receipt.place).rmdir()
            (self._receipts / f"{receipt.place}.json").unlink(missing_ok=True)
        return self.forget(wanted) or bool(found)

    def forget(self, wanted: Wanted) -> bool:
        """What a pull that is not over has. Whether there was anything."""
        partial = self.partial(wanted)
        begun = partial.is_dir()
        shutil.rmtree(partial, ignore_errors=True)
        return begun

    def _place_folder(self, ready: Path, place: Path) -> None:
        if not ready.is_dir():
            return  # it is there already
        if place.exists():  # an older one of ours
            shutil.rmtree(place)
        ready.replace(place)

    def _free_place(self, name: str, repository: str, owner: str) -> str:
        """`name`, unless that is something else's."""
        if self._is_free(name, repository):
            return name
        return f"{owner or 'hub'}-{repository.rpartition('/')[2]}-{name}"

    def _is_free(self, place: str, repository: str) -> bool:
        """Also where it holds what came from there before."""
        known = self._receipt(place)
        return not (self.root / place).exists() if known is None else known.repository == repository

    def _receipt(self, place: str) -> Receipt | None:
        try:
            return msgspec.json.decode((self._receipts / f"{place}.json").read_bytes(), type=Receipt)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _all_receipts(self) -> Iterator[Receipt]:
        for path in sorted(self._receipts.glob("*.json")):
            if (receipt := self._receipt(path.stem)) is not None:
                yield receipt

    def _size(self, name: str) -> int | None:
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None

    def _forget_old(self) -> None:
        for partial in self._partial.glob("*"):
            with suppress(FileNotFoundError):  # it is over at this moment
                latest = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
                if time.time() - latest > FORGOTTEN_SECONDS:
                    shutil.rmtree(partial, ignore_errors=True)


def _means(wanted: Wanted, receipt: Receipt) -> bool:
    if wanted.repository != receipt.repository:
        return False
    named = {None, *(file.name for file in receipt.files), receipt.quantization}
    return wanted.file in named or (wanted.file or "").upper() == receipt.quantization


def _write(path: Path, value: msgspec.Struct) -> None:
    """At once or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(value))
    new.replace(path)
