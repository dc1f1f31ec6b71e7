import io
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.integrations.model_platforms.local_models.gguf_header import (
    MAX_HEADER,
    MAX_KEPT_STRING,
    GgufError,
    GgufHeader,
    parse_header,
    read_header,
)
from tests.unit.integrations.local_models.gguf_bytes import PLAIN, entry, gguf, text

HUGE = (1 << 64) - 1


def parse(data: bytes) -> GgufHeader:
    return parse_header(io.BytesIO(data), len(data))


def test_a_sound_header_is_read() -> None:
    assert parse(gguf()) == GgufHeader(
        version=3,
        architecture="llama",
        name="Tiny",
        context_length=1024,
        quantization="Q8_0",
        chat_template="{{ messages }}{{ tools }}",
        parameters=40,
        vocabulary=2,
    )


def test_a_file_that_says_how_to_pool_is_told() -> None:
    entries = (entry("general.architecture", "bert"), entry("bert.pooling_type", 2))
    assert parse(gguf(entries)).pooling


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "the magic would take 4 bytes"),
        (b"GGML" + bytes(40), "does not begin with the GGUF magic"),
        (gguf(version=1), "GGUF version 1"),
        (gguf(version=3 << 24), "big-endian"),
        (gguf(entry_count=HUGE), f"claims {HUGE} metadata entries"),
        (gguf(tensor_count=HUGE), f"claims {HUGE} tensors"),
        (gguf(entry_count=len(PLAIN) + 1), "claims"),
        (gguf([("k", 8, struct.pack("<Q", HUGE))]), "would take"),
        (gguf([("general.name", 8, struct.pack("<Q", HUGE))]), "at most 1048576 make sense"),
        (gguf([("k", 9, struct.pack("<IQ", 6, HUGE))]), "claims"),
        (gguf([("k", 9, struct.pack("<IQ", 12, 60))]), "would take 480 bytes"),
        (gguf([("k", 9, struct.pack("<IQ", 8, 4) + struct.pack("<Q", HUGE))]), "would take"),
        (gguf([("k", 9, struct.pack("<IQ", 9, 1))]), "unknown type 9"),
        (gguf([("k", 77, b"")]), "unknown type 77"),
        (gguf([*PLAIN, entry("general.alignment", 3)]), "alignment of 3"),
        (gguf([*PLAIN, entry("general.alignment", 0)]), "alignment of 0"),
        (gguf(tensors=[("w", (1, 1, 1, 1, 1), 0, 0)]), "5 dimensions"),
        (gguf(tensors=[("w", (HUGE, HUGE), 0, 0)]), "cut short: the tensor 'w'"),
        (gguf(tensors=[("w", (4,), 0, HUGE - 31)]), "cut short"),
        (gguf(tensors=[("w", (4,), 0, 8)]), "multiple of 32"),
        (gguf(tensors=[("w", (31,), 8, 0)]), "no whole number of blocks"),
        (gguf(weights=65), "cut short: the tensor 'b'"),
    ],
)
def test_a_lie_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(GgufError, match=complaint):
        parse(data)


@given(cut=st.integers(0, len(gguf()) - 1))
def test_a_file_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(GgufError):
        parse(gguf()[:cut])


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.integers(0, len(gguf()) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_never_do_harm(changes: list[tuple[int, int]]) -> None:
    data = bytearray(gguf())
    for place, value in changes:
        data[place] = value
    with suppress(GgufError):
        parse(bytes(data))


def test_a_lying_length_costs_no_memory() -> None:
    data = gguf([("general.name", 8, struct.pack("<Q", 1 << 40)), ("k", 9, struct.pack("<IQ", 0, 1 << 40))])
    tracemalloc.start()
    try:
        with pytest.raises(GgufError):
            parse(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_header_that_never_ends_costs_neither_memory_nor_time(tmp_path: Path) -> None:
    path, entries = tmp_path / "sparse.gguf", MAX_HEADER // MAX_KEPT_STRING + 1
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, entries))
        for number in range(entries):
            file.write(text(f"general.{number}") + struct.pack("<IQ", 8, MAX_KEPT_STRING))
            file.seek(MAX_KEPT_STRING, 1)
        file.truncate(1 << 40)
    tracemalloc.start()
    try:
        with pytest.raises(GgufError, match="its header takes more than 64 MiB"):
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
