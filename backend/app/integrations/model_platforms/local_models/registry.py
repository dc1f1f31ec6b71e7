"""Which models there are: the folder and the bundled demo, as a snapshot. Reads headers only; loads nothing."""

from pathlib import Path

import msgspec

from app.domain.models import Capability
from app.integrations.model_platforms.local_models.checkpoints import Checkpoint, look
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError
from app.integrations.model_platforms.local_models.folder import (
    Candidate,
    Marks,
    Rejected,
    candidates,
    marks,
)
from app.integrations.model_platforms.local_models.formats import Format, sniff
from app.integrations.model_platforms.local_models.gguf_header import GgufError, GgufHeader, read_header

DEMO_ID = "demo"
DEMO_PATH = Path(__file__).parent / "demo" / "platform-demo.gguf"


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that look fit to be run, or to be converted. `files`: of the weights. `marks`: of all that it is.
    `size_bytes`: of its weights; `created`: Unix seconds. `checkpoint`: what is to be converted first.
    """

    id: str
    files: tuple[Path, ...]
    header: GgufHeader
    marks: Marks
    size_bytes: int
    created: int
    format: Format = "gguf"
    checkpoint: Checkpoint | None = None

    @property
    def path(self) -> Path:
        return self.files[0]

    @property
    def capabilities(self) -> frozenset[Capability]:
        if self.header.ranks:
            return frozenset({"rerank"})
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
    """`rejected`: file name -> why it is not offered. `unsound`: what was found wrong in files as they are.

    `seen`: every file as it was. One that was not there, or not so, at the look before may still be written.
    """

    models: dict[str, LocalModel] = {}
    rejected: dict[str, str] = {}
    unsound: dict[Marks, str] = {}
    seen: dict[str, Marks] = {}


def scan(directory: Path | None, *, demo: bool, before: Inventory | None) -> Inventory:
    """Look into the folder. What stands in `before` and has not changed is not opened again, and what is new since
    then is offered once a second look finds it as it was: it may be a copy under way.

    Raises OSError when the folder cannot be read. Blocks: call it in a thread.
    """
    return _Scan(before).result(directory, demo=demo)


class _Scan:
    def __init__(self, before: Inventory | None) -> None:
        self._patient = before is not None
        self._before = before or Inventory()
        self._known = {model.marks: model for model in self._before.models.values()}
        self._models: dict[str, LocalModel] = {}
        self._rejected: dict[str, str] = {}
        self._unsound: dict[Marks, str] = {}
        self._seen: dict[str, Marks] = {}

    def result(self, directory: Path | None, *, demo: bool) -> Inventory:
        if demo:  # first, so that nobody takes its name
            self._models[DEMO_ID] = self._known.get(marks((DEMO_PATH,))) or _demo()
        for candidate in candidates(directory) if directory is not None else ():
            try:
                self._take(candidate)
            except Rejected as reason:
                self._rejected[candidate.name] = str(reason)
            except OSError as error:
                self._rejected[candidate.name] = f"it cannot be read: {error.strerror}"
        return Inventory(models=self._models, rejected=self._rejected, unsound=self._unsound, seen=self._seen)

    def _take(self, candidate: Candidate) -> None:
        files = candidate.files()
        format = sniff(candidate.path)
        beside = candidate.descriptions() if format in ("safetensors", "pytorch") else ()
        found = marks((*files, *beside))
        model = self._model(candidate, files, format, found)
        if model is None:
            return
        if model.id in self._models:
            raise Rejected(f"its name '{model.id}' is taken by {self._models[model.id].path.name}")
        self._models[model.id] = model

    def _model(
        self, candidate: Candidate, files: tuple[Path, ...], format: Format | None, found: Marks
    ) -> LocalModel | None:
        """None while it may still be written."""
        self._seen[candidate.name] = found
        known = self._known.get(found)
        if known is not None and known.path == candidate.path:
            return known
        wrong = self._before.unsound.get(found)
        if wrong is None:
            if self._patient and self._before.seen.get(candidate.name) != found:
                return None
            try:
                return _open(candidate, files, format, found)
            except (GgufError, ConversionError) as reason:
                wrong = str(reason)
        self._unsound[found] = wrong
        raise Rejected(wrong)


def _demo() -> LocalModel:
    candidate = Candidate(name=DEMO_PATH.name, path=DEMO_PATH, root=DEMO_PATH.parent)
    model = _open(candidate, (DEMO_PATH,), "gguf", marks((DEMO_PATH,)))
    return msgspec.structs.replace(model, id=DEMO_ID)


def _open(candidate: Candidate, files: tuple[Path, ...], format: Format | None, found: Marks) -> LocalModel:
    """Raises Rejected, GgufError, ConversionError, OSError."""
    checkpoint = None
    if format == "gguf":
        header = _gguf_header(files)
    elif format in ("safetensors", "pytorch"):
        checkpoint, header = look(candidate, files, format, found)
    elif format == "ggml":
        raise Rejected(
            "it is in the old GGML format, which nothing reads any more: take a GGUF file of the model, or "
            "convert it with llama.cpp's convert_llama_ggml_to_gguf.py"
        )
    else:
        raise Rejected("it is no GGUF, safetensors or PyTorch file")
    return LocalModel(
        id=candidate.id,
        files=files,
        header=header,
        marks=found,
        size_bytes=sum(mark.size for mark in found[: len(files)]),
        created=found[0].modified_ns // 1_000_000_000,
        format=format,
        checkpoint=checkpoint,
    )


def _gguf_header(files: tuple[Path, ...]) -> GgufHeader:
    header, *_ = [read_header(path) for path in files]
    if not header.architecture:
        raise Rejected("it names no architecture")
    if header.kind != "model" or header.architecture == "clip":
        raise Rejected(f"it is no language model but a part of one ({header.kind}, {header.architecture})")
    return header
