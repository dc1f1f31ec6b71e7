"""The tensors in a file of PyTorch's, found without torch and without running what the file says.

`torch.save` writes a zip archive, its members not compressed: `data.pkl`, a pickle of the state dict in which each
tensor names a storage by number, and the bytes of each storage. A pickle is a program. This one may name what a
state dict is made of, and gets stand-ins, which do nothing and hold nothing but where bytes are; any other name
ends the reading before anything is called. It is meant for a process of its own all the same.

Files from before torch 1.6 (a bare pickle) are refused.
"""

import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import msgspec

from app.integrations.model_platforms.local_models.conversion.tensors import (
    ELEMENTS,
    MAX_DIMENSIONS,
    ConversionError,
    Tensor,
)

_LARGEST_PICKLE = 64 << 20
_MOST_MEMBERS = 100_000
_LOCAL_HEADER = 30
_STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}


class _Storage(msgspec.Struct, frozen=True):
    element: str
    key: str


class _View(msgspec.Struct, frozen=True):
    """A tensor: some elements of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[Any, Any]):
    """For OrderedDict. What a state dict carries beside its items (`_metadata`) is dropped."""

    def __setstate__(self, state: object) -> None: ...


class _Rebuild:
    """For torch._utils._rebuild_tensor_v2. It has no attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
        try:
            return _View(*msgspec.convert((storage, offset, shape, strides), _VIEW))
        except msgspec.ValidationError:
            raise ConversionError("a tensor in it makes no sense") from None


class _Parameter:
    """For torch._utils._rebuild_parameter: the tensor that it is made of."""

    __slots__ = ()

    def __call__(self, tensor: Any, *_: Any) -> Any:
        return tensor


_KNOWN: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Dict,
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
    ("torch._utils", "_rebuild_parameter"): _Parameter(),
    **{("torch", name): element for name, element in _STORAGES.items()},
}


# All that torch.save has written for a state dict, in any protocol since 2.
_OPCODES = (
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID NONE NEWTRUE NEWFALSE BININT BININT1 "
    "BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_LIST APPEND "
    "APPENDS EMPTY_DICT SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
)


class _Reader(pickle._Unpickler):
    """The one in Python: it can be kept to some opcodes, and takes no memory for what a number claims."""

    dispatch: ClassVar = {
        code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _OPCODES.split())
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise ConversionError(
                f"it wants to use '{module}.{name}'"[:200]
                + ", which weights have no need of: it may be an attack, or "
                "hold more than a state dict. Ask its maker for safetensors"
            ) from None

    def persistent_load(self, told: Any) -> _Storage:
        match told:
            case ("storage", str(element), str(key), str(), int()) if element in ELEMENTS:
                return _Storage(element, key)
        raise ConversionError("it names a storage in an unknown way")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises ConversionError, OSError. Blocks."""
    with path.open("rb") as file:
        if file.read(1) == b"\x80":
            raise ConversionError(
                "it was written by a torch before 1.6; load it there and save it again, or better as safetensors"
            )
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(archive, path).tensors()
    except zipfile.BadZipFile:
        raise ConversionError("it is no whole zip archive: it may be cut short") from None
    except (ConversionError, OSError):
        raise
    except Exception as error:  # whatever a pickle that makes no sense ends in
        raise ConversionError(f"its pickle makes no sense ({type(error).__name__})") from None


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        self._size = os.path.getsize(path)
        if len(archive.filelist) > _MOST_MEMBERS:
            raise ConversionError(f"it has more than {_MOST_MEMBERS} members")
        self._members = {member.filename: member for member in archive.filelist}

    def tensors(self) -> dict[str, Tensor]:
        name = next((name for name in self._members if name.endswith("/data.pkl")), None)
        if name is None:
            raise ConversionError("it has no 'data.pkl': it is not a file of torch.save")
        root = name.removesuffix("data.pkl")
        if f"{root}byteorder" in self._members and self._bytes(f"{root}byteorder") != b"little":
            raise ConversionError("it was written by a big-endian machine")
        found = _state_dict(_Reader(BytesIO(self._bytes(name))).load())
        return {key: self._tensor(f"{root}data/", key[:200], view) for key, view in found.items()}

    def _bytes(self, name: str) -> bytes:
        self._place(name)
        if self._members[name].file_size > _LARGEST_PICKLE:
            raise ConversionError(f"'{name[-40:]}' is larger than {_LARGEST_PICKLE >> 20} MiB")
        return self._archive.read(name)

    def _tensor(self, folder: str, name: str, view: _View) -> Tensor:
        start, size = self._place(folder + view.storage.key)
        width = ELEMENTS[view.storage.element]
        if len(view.shape) > MAX_DIMENSIONS or len(view.shape) != len(view.strides) or _negative(view):
            raise ConversionError(f"the tensor '{name}' has a shape that makes no sense")
        reach = sum((side - 1) * step for side, step in zip(view.shape, view.strides, strict=True))
        if all(view.shape) and (view.offset + reach + 1) * width > size:
            raise ConversionError(f"the tensor '{name}' reaches beyond its storage")
        return Tensor(
            path=self._path,
            offset=start + view.offset * width,
            element=view.storage.element,
            shape=view.shape,
            strides=view.strides,
        )

    def _place(self, name: str) -> tuple[int, int]:
        """Where a member's bytes are in the file, and how many."""
        member = self._members.get(name)
        if member is None:
            raise ConversionError(f"the archive lacks '{name[-40:]}'")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ConversionError("its members are compressed or encrypted, which torch.save never does")
        with self._path.open("rb") as file:
            file.seek(member.header_offset)
            head = file.read(_LOCAL_HEADER)
        if len(head) < _LOCAL_HEADER:
            raise ConversionError("it is cut short")
        start = (
            member.header_offset
            + _LOCAL_HEADER
            + sum(int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
        )
        if start + member.file_size > self._size:
            raise ConversionError(f"'{name[-40:]}' ends beyond the end of the file")
        return start, member.file_size


_VIEW = tuple[_Storage, int, tuple[int, ...], tuple[int, ...]]


def _negative(view: _View) -> bool:
    return view.offset < 0 or any(number < 0 for number in (*view.shape, *view.strides))


def _state_dict(told: Any) -> dict[str, _View]:
    """The tensors by name: of the dict itself, or of the one under a name that trainers give it."""
    for name in ("state_dict", "model"):
        if isinstance(told, dict) and isinstance(told.get(name), dict):
            told = told[name]
    if not isinstance(told, dict):
        _refuse_no_tensors()
    found = {name: view for name, view in told.items() if isinstance(name, str) and isinstance(view, _View)}
    return found or _refuse_no_tensors()


def _refuse_no_tensors() -> NoReturn:
    raise ConversionError("there is no state dict in it, which is what weights are kept as")
