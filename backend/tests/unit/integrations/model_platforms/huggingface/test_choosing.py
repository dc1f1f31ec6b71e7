"""Which files of a repository are taken, and what is said of that."""

import pytest

from app.core.machine import Memory
from app.domain.errors import InvalidRequest, ModelNotFound, PlatformError
from app.integrations.model_platforms.huggingface.choosing import LARGEST, PICKLES, PREFERENCE, Choice, choose
from app.integrations.model_platforms.huggingface.names import Wanted, read_name, safe
from app.integrations.model_platforms.huggingface.repository import RemoteFile, Repository

GB = 1_000_000_000
ROOM = Memory(ram=16 * GB)

GGUFS = {
    f"m-{name}.gguf": size * GB
    for name, size in {"Q2_K": 3, "Q4_K_M": 5, "Q5_K_M": 6, "Q8_0": 9, "F16": 17}.items()
}
LLAMA = {
    "config.json": 1,
    "tokenizer.model": 1,
    "model.safetensors": GB,
    "consolidated.safetensors": GB,
    "pytorch_model.bin": GB,
    "modeling.py": 1,
    "setup.sh": 1,
    ".gitattributes": 1,
    "onnx/model.safetensors": GB,
}
SHARDS = {f"model-0000{n}-of-00002.safetensors": GB for n in (1, 2)} | {"model.safetensors.index.json": 1}
SPLIT = {f"Q4_K_M/big-Q4_K_M-0000{n}-of-00002.gguf": 2 * GB for n in (1, 2)}


def chosen(files: dict[str, int], wanted: str | None = None, memory: Memory = ROOM) -> Choice:
    remote = tuple(RemoteFile(name=name, size=size, sha256="0" * 64) for name, size in files.items())
    return choose(Repository(id="org/m", commit="c", files=remote), Wanted("org/m", None, wanted), memory)


@pytest.mark.parametrize(
    ("files", "wanted", "memory", "taken", "format"),
    [
        pytest.param(GGUFS, None, ROOM, ["m-Q4_K_M.gguf"], "gguf", id="the best that fits"),
        pytest.param(GGUFS, None, Memory(4 * GB), ["m-Q2_K.gguf"], "gguf", id="little memory"),
        pytest.param(GGUFS, None, Memory(GB, (3 * GB, 3 * GB)), ["m-Q4_K_M.gguf"], "gguf", id="two GPUs"),
        pytest.param(GGUFS, "m-F16.gguf", ROOM, ["m-F16.gguf"], "gguf", id="named, too large or not"),
        pytest.param(GGUFS, "q8_0", ROOM, ["m-Q8_0.gguf"], "gguf", id="by its quantisation"),
        pytest.param(SPLIT, None, ROOM, sorted(SPLIT), "gguf", id="all parts"),
        pytest.param(SPLIT, min(SPLIT), ROOM, sorted(SPLIT), "gguf", id="all parts of one that is named"),
        pytest.param(
            {"m.gguf": 1, "mmproj-m-F16.gguf": 1, "m-imatrix.gguf": 1},
            None,
            ROOM,
            ["m.gguf"],
            "gguf",
            id="no helpers",
        ),
        pytest.param({**GGUFS, **LLAMA}, None, ROOM, ["m-Q4_K_M.gguf"], "gguf", id="GGUF before safetensors"),
        pytest.param(
            LLAMA,
            None,
            ROOM,
            ["config.json", "model.safetensors", "tokenizer.model"],
            "safetensors",
            id="safetensors",
        ),
        pytest.param(SHARDS, None, ROOM, sorted(SHARDS), "safetensors", id="every shard"),
        pytest.param(SHARDS, min(SHARDS), ROOM, sorted(SHARDS), "safetensors", id="every shard of one"),
        pytest.param(
            LLAMA,
            "pytorch_model.bin",
            ROOM,
            ["config.json", "pytorch_model.bin", "tokenizer.model"],
            "bin",
            id="a pickle",
        ),
    ],
)
def test_what_is_taken(
    files: dict[str, int], wanted: str | None, memory: Memory, taken: list[str], format: str
) -> None:
    choice = chosen(files, wanted, memory)
    assert (sorted(file.name for file in choice.files), choice.format) == (taken, format)
    assert choice.folder is (format != "gguf")


@pytest.mark.parametrize(
    ("files", "wanted", "memory", "error", "said"),
    [
        (GGUFS, None, Memory(GB), InvalidRequest, "the smallest, needs about 3.6 GB and this machine has 1.0 GB"),
        (LLAMA, None, Memory(GB), InvalidRequest, "its safetensors needs about 1.2 GB"),
        (GGUFS, "Q3_K_M", ROOM, ModelNotFound, "has no 'Q3_K_M'. GGUF files there: F16, Q2_K, Q4_K_M, Q5"),
        (LLAMA, "modeling.py", ROOM, InvalidRequest, "'modeling.py' is no model"),
        (LLAMA, "config.json", ROOM, InvalidRequest, "'config.json' is no model"),
        ({"a.bin": 1}, None, ROOM, InvalidRequest, "taken only by name: 'hf:org/m:a.bin'"),
        ({"a.py": 1, "README.md": 1}, None, ROOM, InvalidRequest, "has no file that is a model's"),
        ({"../a.gguf": 1, "b/../a.gguf": 1, "/a.gguf": 1}, None, ROOM, InvalidRequest, "has no file"),
        ({"m-00001-of-00002.gguf": 1}, None, ROOM, InvalidRequest, "has no file that is a model's"),
        ({"m.gguf": LARGEST + 1}, "m.gguf", ROOM, InvalidRequest, "larger than the 50 GB"),
    ],
)  # fmt: skip
def test_what_is_refused(
    files: dict[str, int], wanted: str | None, memory: Memory, error: type[PlatformError], said: str
) -> None:
    with pytest.raises(error) as raised:
        chosen(files, wanted, memory)
    assert said in str(raised.value)


def test_what_nobody_can_check_is_refused() -> None:
    files = (RemoteFile(name="m.gguf", size=1),)
    with pytest.raises(InvalidRequest, match="no digest"):
        choose(Repository(id="org/m", commit="c", files=files), Wanted("org/m"), ROOM)


def test_why_is_said() -> None:
    assert chosen(GGUFS).why == (
        "Q4_K_M (5.0 GB) fits in 16.0 GB of memory; there are: Q2_K 3.0 GB, Q4_K_M 5.0 GB, Q5_K_M 6.0 GB, "
        "Q8_0 9.0 GB, F16 17.0 GB (too large)"
    )
    assert chosen({"m.gguf": GB}, memory=Memory(GB, (8 * GB,))).why == "the file (1.0 GB) fits in the GPU's 8.0 GB"


def test_every_quantisation_has_one_rank_and_code_is_never_a_model() -> None:
    assert len(PREFERENCE) == len(set(PREFERENCE))
    assert ".py" not in PICKLES


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("org/m", Wanted("org/m")),
        ("gpt2", Wanted("gpt2")),
        ("org/m-1.5@refs/pr/1:a/b (1).gguf", Wanted("org/m-1.5", "refs/pr/1", "a/b (1).gguf")),
        ("org/m:Q4_K_M", Wanted("org/m", None, "Q4_K_M")),
    ],
)
def test_names(name: str, wanted: Wanted) -> None:
    assert read_name(name) == wanted


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "a/b/c", "../m", "org/..", "org/m:../x", "org/m:a/../../x", "org/m:/etc/passwd", "org/.m"),
        *(
            "org/m@../x",
            "org/m@x/../y",
            "org/a..b",
            "org/m@",
            "org/m:",
            "org/m:.hidden",
            "org/m:a//b",
            "org/m\n",
            "org/m:a\x00b",
            "org\\m",
        ),
        *("org/m?x=1", "org/m#x", "org/%2e%2e", "http://host/m", "o" * 200 + "/m", "org/m:a/.b"),
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InvalidRequest):
        read_name(name)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a/./b", ".a", "a//b", "a\n", "a\x00", "a\\b", "~/a", "$a"]
)
def test_what_is_no_file(path: str) -> None:
    assert not safe(path)
