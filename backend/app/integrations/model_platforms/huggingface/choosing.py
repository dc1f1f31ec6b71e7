"""Which files of a repository are fetched, and why these: docs/models.md has it for people.

Code is never among them. A GGUF is preferred, as it runs as it is; then safetensors with what belongs to them.
Pickles are taken only where they are named.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from app.core.machine import Memory
from app.domain.errors import InvalidRequest, ModelNotFound
from app.integrations.model_platforms.huggingface.names import Wanted, safe
from app.integrations.model_platforms.huggingface.repository import RemoteFile, Repository

PREFERENCE = (
    *("Q4_K_M", "Q5_K_M", "Q4_K_S", "Q5_K_S", "Q6_K", "IQ4_XS", "IQ4_NL", "Q4_K_L", "Q5_K_L", "Q4_0", "Q4_1"),
    *("Q5_0", "Q5_1", "Q8_0", "Q6_K_L", "Q3_K_XL", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S", "IQ3_S", "IQ3_XS"),
    *("IQ3_XXS", "MXFP4", "F16", "BF16", "Q2_K_L", "Q2_K", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "F32"),
    *("IQ1_M", "IQ1_S"),
)
"""Of those that fit into memory the first is taken: four bits lose little and halve what eight need; below them
answers suffer, above them there is little to gain.
"""

RUNNING = 1.2
"""What a model takes in memory while it runs, in sizes of its file: its weights, its context, its buffers."""

LARGEST = 50_000_000_000
"""Bytes of a file that the Hub gives out over plain HTTP."""

PICKLES = frozenset({".bin", ".pt", ".pth"})
_BESIDE = frozenset({".json", ".txt", ".model", ".jinja"})
_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_QUANTISATION = re.compile(
    r"(?<![A-Za-z0-9])(I?Q[1-8](?:_[0-9A-Z]+)*|BF16|F16|F32|FP16|FP32|MXFP4)(?![A-Za-z0-9])", re.IGNORECASE
)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """`why` is for people. `folder`: whether the files only make sense together, in a folder of their own."""

    files: tuple[RemoteFile, ...]
    format: str
    why: str
    quantization: str | None = None
    folder: bool = False

    @property
    def size(self) -> int:
        return sum(file.size or 0 for file in self.files)


def choose(repository: Repository, wanted: Wanted, memory: Memory) -> Choice:
    """Raises ModelNotFound, InvalidRequest."""
    files = [file for file in repository.files if file.size is not None and safe(file.name)]
    ggufs = _ggufs(files)
    choice = _named(files, ggufs, wanted) if wanted.file else _preferred(files, ggufs, repository, memory)
    for file in choice.files:
        if not file.sha256 and not file.blob:
            raise InvalidRequest(
                f"The Hub tells no digest of '{file.name}', so it can't be checked.", param="model"
            )
        if (file.size or 0) > LARGEST:
            raise InvalidRequest(
                f"'{file.name}' is larger than the 50 GB that the Hub gives out over HTTP: take a split one.",
                param="model",
            )
    return choice


def fits(size: int, memory: Memory) -> str | None:
    """Where a model of that size runs; None where it does not."""
    needed = size * RUNNING
    if needed <= memory.gpu:
        return f"fits in the GPU's {gigabytes(memory.gpu)}"
    if needed <= memory.ram + memory.gpu:
        return f"fits in {gigabytes(memory.ram + memory.gpu)} of memory"
    return None


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _named(files: Sequence[RemoteFile], ggufs: Mapping[str, list[RemoteFile]], wanted: Wanted) -> Choice:
    assert wanted.file is not None
    for stem, parts in ggufs.items():
        quantisation = _quantisation(stem)
        if any(part.name == wanted.file for part in parts):
            return _gguf(parts, "it was named")
        if quantisation == wanted.file.upper():
            return _gguf(parts, f"{quantisation} was asked for")
    for file in files:
        suffix = PurePosixPath(file.name).suffix.lower()
        if file.name != wanted.file:
            continue
        if suffix == ".safetensors" or suffix in PICKLES:
            return _folder(_all_parts(file, files), files, suffix[1:], "it was named")
        raise InvalidRequest(
            f"'{file.name}' is no model: .gguf, .safetensors, .bin, .pt and .pth are.", param="model"
        )
    there = ", ".join(sorted({_quantisation(stem) or stem for stem in ggufs})) or "none"
    raise ModelNotFound(
        f"'{wanted.repository}' has no '{wanted.file}'. GGUF files there: {there}.",
        code="model_not_found",
        param="model",
    )


def _preferred(
    files: Sequence[RemoteFile], ggufs: Mapping[str, list[RemoteFile]], repository: Repository, memory: Memory
) -> Choice:
    if ggufs:
        return _best(ggufs, repository.id, memory)
    weights = [file for file in files if file.name.endswith(".safetensors") and "/" not in file.name]
    if any(file.name.startswith("model") for file in weights):
        weights = [file for file in weights if file.name.startswith("model")]  # not the same again in another form
    if weights:
        size = sum(file.size or 0 for file in weights)
        if (place := fits(size, memory)) is None:
            raise _too_large(repository.id, "its safetensors", size, memory)
        return _folder(
            weights, files, "safetensors", f"there is no GGUF; {gigabytes(size)} of safetensors {place}"
        )
    pickles = [file.name for file in files if PurePosixPath(file.name).suffix in PICKLES]
    if pickles:
        raise InvalidRequest(
            f"'{repository.id}' has its weights in pickles alone, which are taken only by name: "
            f"'hf:{repository.id}:{pickles[0]}'. Better look for a GGUF or safetensors of it.",
            param="model",
        )
    raise InvalidRequest(
        f"'{repository.id}' has no file that is a model's: no GGUF, no safetensors.", param="model"
    )


def _best(ggufs: Mapping[str, list[RemoteFile]], name: str, memory: Memory) -> Choice:
    sizes = {stem: sum(part.size or 0 for part in parts) for stem, parts in ggufs.items()}
    fitting = {stem: place for stem, size in sizes.items() if (place := fits(size, memory))}
    if not fitting:
        smallest = min(sizes, key=lambda stem: sizes[stem])
        raise _too_large(name, f"{ggufs[smallest][0].name}, the smallest,", sizes[smallest], memory)
    stem = min(fitting, key=lambda each: (_rank(each), sizes[each], each))
    others = ", ".join(_told(each, sizes[each], each in fitting) for each in sorted(sizes, key=sizes.__getitem__))
    why = f"{_quantisation(stem) or 'the file'} ({gigabytes(sizes[stem])}) {fitting[stem]}"
    return _gguf(ggufs[stem], f"{why}; there are: {others}" if len(sizes) > 1 else why)


def _told(stem: str, size: int, fits: bool) -> str:
    name = _quantisation(stem) or PurePosixPath(stem).name
    return f"{name} {gigabytes(size)}{'' if fits else ' (too large)'}"


def _too_large(name: str, what: str, size: int, memory: Memory) -> InvalidRequest:
    return InvalidRequest(
        f"'{name}' does not fit: {what} needs about {gigabytes(int(size * RUNNING))} and this machine has "
        f"{gigabytes(memory.ram)}{f' and {gigabytes(memory.gpu)} on GPUs' if memory.gpu else ''}. "
        "To fetch it all the same, name a file or a quantisation after a colon.",
        code="model_too_large",
        param="model",
    )


def _ggufs(files: Iterable[RemoteFile]) -> dict[str, list[RemoteFile]]:
    """By path without ending and part. What belongs to a model but is none is left out, and what lacks a part."""
    found: dict[str, list[RemoteFile]] = {}
    for file in sorted(files, key=lambda each: each.name):
        stem, dot, suffix = file.name.rpartition(".")
        if dot and suffix.lower() == "gguf" and not re.search(r"(^|/|-)(mmproj|imatrix)", stem, re.IGNORECASE):
            found.setdefault(_PART.sub("", stem), []).append(file)
    return {stem: parts for stem, parts in found.items() if _complete(parts)}


def _all_parts(one: RemoteFile, files: Iterable[RemoteFile]) -> list[RemoteFile]:
    whole = _whole_name(one.name)
    return [file for file in files if _whole_name(file.name) == whole]


def _whole_name(name: str) -> str:
    """Of what may be a part."""
    stem, dot, suffix = name.rpartition(".")
    return f"{_PART.sub('', stem)}{dot}{suffix}"


def _complete(parts: Sequence[RemoteFile]) -> bool:
    split = [_PART.search(part.name.rpartition(".")[0]) for part in parts]
    counts = {found[2] if found else "00001" for found in split}
    return len(counts) == 1 and len(parts) == int(counts.pop())


def _quantisation(stem: str) -> str | None:
    found = _QUANTISATION.findall(PurePosixPath(stem).name) or _QUANTISATION.findall(stem)
    return found[-1].upper().replace("FP", "F") if found else None


def _rank(stem: str) -> int:
    quantisation = _quantisation(stem)
    return PREFERENCE.index(quantisation) if quantisation in PREFERENCE else len(PREFERENCE)


def _gguf(parts: Sequence[RemoteFile], why: str) -> Choice:
    stem = _PART.sub("", parts[0].name.rpartition(".")[0])
    return Choice(files=tuple(parts), format="gguf", why=why, quantization=_quantisation(stem))


def _folder(weights: Sequence[RemoteFile], files: Iterable[RemoteFile], format: str, why: str) -> Choice:
    """The weights, and what describes them: configuration, tokeniser, template."""
    beside = [file for file in files if "/" not in file.name and PurePosixPath(file.name).suffix in _BESIDE]
    return Choice(files=(*weights, *beside), format=format, why=why, folder=True)
