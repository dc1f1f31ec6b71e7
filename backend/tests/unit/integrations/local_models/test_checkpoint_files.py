"""Weights in files that lie: safetensors and PyTorch. Told clearly, and nothing that a pickle says is run."""

import json
import os
import pickle
import random
import struct
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.integrations.model_platforms.local_models.conversion import safetensors_file, torch_file
from app.integrations.model_platforms.local_models.conversion.tensors import ELEMENTS, ConversionError, Tensor
from app.integrations.model_platforms.local_models.formats import told_by
from tests.servers.demo_checkpoint import state_dict_pickle, weights

# More by hand: each changed file takes about half a millisecond.
CHANGED_FILES = int(os.environ.get("CHANGED_FILES", "1000"))
FEW = dict(list(weights().items())[1:4])


def safetensors(header: Any, data: int = 24) -> bytes:
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + bytes(data)


def entry(start: int, end: int, shape: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


SOUND = {"__metadata__": {"format": "pt"}, "a": entry(0, 16, [2, 2]), "b": entry(16, 24, [4], "F16")}


def read(module: Any, data: bytes) -> dict[str, Tensor]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return module.read_tensors(Path(file.name))


def test_sound_safetensors() -> None:
    found = read(safetensors_file, safetensors(SOUND))
    start = len(safetensors(SOUND)) - 24
    told = {name: (each.element, each.shape, each.offset - start) for name, each in found.items()}
    assert told == {"a": ("F32", (2, 2), 0), "b": ("F16", (4,), 16)}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "may be cut short"),
        (struct.pack("<Q", 1 << 60) + b"{}", "claims a header of"),
        (safetensors(b"{" + bytes(16 << 20)), "its header takes more than 16 MiB"),
        (safetensors(SOUND, 23), "may be cut short"),
        (safetensors(SOUND, 25), "which has 25"),
        (safetensors(b"[1]"), "not what safetensors has"),
        (safetensors(b"{" * 10_000), "not what safetensors has"),
        (safetensors(b"\xff{}"), "not what safetensors has"),
        (safetensors({"a": {"dtype": "F32"}}), "not what safetensors has"),
        (safetensors({"a": entry(0, 24, [6], "F7")}), "unknown type 'F7'"),
        (safetensors({"a": entry(0, 24, [7])}), "takes 24 bytes"),
        (safetensors({"a": entry(0, 24, [-2, -3])}), "makes no sense"),
        (safetensors({"a": entry(0, 24, [1] * 9)}), "makes no sense"),
        (safetensors({"a": entry(0, 1 << 40, [1 << 38])}), "may be cut short"),
        (safetensors({"a": entry(0, 16, [4]), "b": entry(8, 24, [4])}), "overlap, or leave a gap"),
        (safetensors({"a": entry(8, 24, [4])}), "overlap, or leave a gap"),
        (safetensors({"a": entry(0, 24, [1 << 62, 1 << 62])}), "takes 24 bytes"),
    ],
)
def test_a_lie_in_safetensors_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        read(safetensors_file, data)


def torch_bytes(pickled: bytes | None = None, **changes: Any) -> bytes:
    members = {"data.pkl": pickled or state_dict_pickle(FEW), "byteorder": b"little"}
    members |= {f"data/{number}": rows.astype("f2").tobytes() for number, rows in enumerate(FEW.values())}
    members |= changes
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(f"archive/{name}", data)
        file.seek(0)
        return file.read()


def test_a_sound_state_dict() -> None:
    found = read(torch_file, torch_bytes())
    assert {name: (each.element, each.shape) for name, each in found.items()} == {
        name: ("F16", rows.shape) for name, rows in FEW.items()
    }


class Attack:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (os.system, ("touch {canary}",)),
        (os.mkdir, ("{canary}",)),
        (exec, ("open('{canary}', 'w')",)),
        (eval, ("open('{canary}', 'w')",)),
        (__import__, ("os",)),
        (getattr, ("", "join")),
        (open, ("{canary}", "w")),
    ],
)
def test_an_attack_has_no_effect(tmp_path: Path, protocol: int, call: Any, arguments: tuple[str, ...]) -> None:
    canary = tmp_path / "canary"
    attack = Attack(call, *(each.format(canary=canary) for each in arguments))
    for pickled in (attack, {"weight": attack}, [attack]):
        with pytest.raises(ConversionError, match=r"may be an attack|pickle makes no sense"):
            read(torch_file, torch_bytes(pickle.dumps(pickled, protocol)))
    assert not canary.exists()


def _storage(key: bytes = b"0", element: bytes = b"HalfStorage", count: bytes = b"J\1\0\0\0") -> bytes:
    word = b"X" + struct.pack("<I", len(key)) + key
    return b"(X\7\0\0\0storagectorch\n" + element + b"\n" + word + b"X\3\0\0\0cpu" + count + b"tQ"


def _tensor(shape: bytes, strides: bytes, *, storage: bytes = _storage(), offset: bytes = b"K\0") -> bytes:
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + strides + b"\x89}tR"


def _program(value: bytes) -> bytes:
    return b"\x80\2}X\1\0\0\0w" + value + b"s."


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"PK\3\4" + bytes(40), "no whole zip archive"),
        (b"\x80\2}.", "before 1.6"),
        (torch_bytes()[:-100], "no whole zip archive"),
        (torch_bytes(b"\x80\2}."), "no state dict in it"),
        (torch_bytes(b"\x80\2K\1."), "no state dict in it"),
        (torch_bytes(b"\x80\2K\1Q."), "storage in an unknown way"),
        (torch_bytes(b"garbage"), "pickle makes no sense"),
        (torch_bytes(b"(" * 100_000), "pickle makes no sense"),
        (torch_bytes(_program(b"\x82\1")), "pickle makes no sense"),
        (torch_bytes(byteorder=b"big"), "big-endian"),
        (torch_bytes(_program(_tensor(b"(K\2t", b"(K\1t", storage=_storage(b"9")))), "lacks 'archive/data/9'"),
        (torch_bytes(_program(_tensor(b"(M\xff\xfft", b"(K\1t"))), "reaches beyond its storage"),
        (torch_bytes(_program(_tensor(b"(K\2t", b"(M\xff\xfft"))), "reaches beyond its storage"),
        (torch_bytes(_program(_tensor(b"(K\1t", b"(K\1t", offset=b"M\xff\xff"))), "reaches beyond its storage"),
        (torch_bytes(_program(_tensor(b"(J\xff\xff\xff\xfft", b"(K\1t"))), "makes no sense"),
        (torch_bytes(_program(_tensor(b"(K\1t", b"(J\xff\xff\xff\xfft"))), "makes no sense"),
        (torch_bytes(_program(_tensor(b"(K\1t", b"(t"))), "makes no sense"),
        (torch_bytes(_program(_tensor(b"(K\1K\1t", b"N"))), "makes no sense"),
    ],
)
def test_a_lie_in_a_torch_file_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        read(torch_file, data)


def test_compressed_members_are_refused() -> None:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(1 << 20))
        file.seek(0)
        with pytest.raises(ConversionError, match="compressed or encrypted"):
            read(torch_file, file.read())


_CHANGES = st.tuples(
    st.integers(0, 1 << 30), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=6)
)


def _changed(data: bytes, change: tuple[int, list[tuple[float, bytes]]], whole: bool) -> bytes:
    """Some bytes others, and cut off somewhere unless it stays `whole`."""
    where, splices = change
    made = bytearray(data)
    for place, new in splices:
        at = int(place * (len(made) - 1))
        made[at : at + len(new)] = new
    return bytes(made if whole else made[: where % len(made)])


@settings(max_examples=CHANGED_FILES, deadline=None)
@given(change=_CHANGES, whole=st.booleans(), kind=st.sampled_from(["safetensors", "pickle", "torch"]))
def test_changed_and_cut_files_are_refused_or_sound(change: Any, whole: bool, kind: str) -> None:
    if kind == "safetensors":
        module, data = safetensors_file, _changed(safetensors(SOUND), change, whole)
    elif kind == "pickle":
        module, data = torch_file, torch_bytes(_changed(state_dict_pickle(FEW), change, whole))
    else:
        module, data = torch_file, _changed(_TORCH, change, whole)
    with suppress(ConversionError):
        for tensor in read(module, data).values():
            steps = tensor.strides or _dense(tensor.shape)
            reach = sum((side - 1) * step for side, step in zip(tensor.shape, steps, strict=True))
            end = tensor.offset + (1 + reach if all(tensor.shape) else 0) * ELEMENTS[tensor.element]
            assert 0 <= tensor.offset <= end <= len(data)


_TORCH = torch_bytes()


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for side in reversed(shape):
        steps.insert(0, step)
        step *= side
    return tuple(steps)


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"GGUF\3\0\0\0\0", "gguf"),
        (b"PK\3\4.....", "pytorch"),
        (b"\x80\2}.", "pytorch"),
        (b"lmgg.....", "ggml"),
        (b"tjgg.....", "ggml"),
        (struct.pack("<Q", 2) + b"{", "safetensors"),
        (struct.pack("<Q", 1 << 40) + b"{", None),
        (b"# A model", None),
        (b"", None),
        (random.Random(1).randbytes(9), None),
    ],
)
def test_what_it_is_is_told_by_its_first_bytes(head: bytes, format: str | None) -> None:
    assert told_by(head) == format
