"""A model as Hugging Face keeps it: weights, and beside them what they are. Looked at here, converted
elsewhere.
"""

import hashlib
import math
from pathlib import Path

import msgspec

from app.integrations.model_platforms.local_models.conversion import safetensors_file
from app.integrations.model_platforms.local_models.conversion.config import ModelConfig, read_config
from app.integrations.model_platforms.local_models.conversion.files import read_license
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError
from app.integrations.model_platforms.local_models.conversion.tokenizer import NO_TOKENIZER, read_chat_template
from app.integrations.model_platforms.local_models.folder import Candidate, Marks
from app.integrations.model_platforms.local_models.formats import Format
from app.integrations.model_platforms.local_models.gguf_header import GgufHeader

# Goes up when a conversion would turn out differently.
_GENERATION = b"1"
_ELEMENTS = {"bfloat16": "BF16"}


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`digest`: of what tells it from any other, for the name of the file that it is converted to."""

    folder: Path
    files: tuple[Path, ...]
    digest: str


def look(
    candidate: Candidate, files: tuple[Path, ...], format: Format, marks: Marks
) -> tuple[Checkpoint, GgufHeader]:
    """The header is what the converted file's will be, near enough. Raises ConversionError, OSError.

    A PyTorch file is not opened: what it says takes a process of its own to read.
    """
    folder = candidate.path.parent
    config = read_config(folder)
    if not (folder / "tokenizer.json").is_file():
        raise ConversionError(NO_TOKENIZER)
    if format == "safetensors":
        for path in files:
            safetensors_file.read_tensors(path)
    checkpoint = Checkpoint(folder=folder, files=files, digest=_digest(files, marks))
    return checkpoint, _header(folder, config, candidate.id)


def _header(folder: Path, config: ModelConfig, name: str) -> GgufHeader:
    return GgufHeader(
        version=3,
        architecture=config.family.architecture,
        name=name,
        context_length=config.max_position_embeddings,
        quantization=_ELEMENTS.get(config.dtype or config.torch_dtype or "", "F16"),
        chat_template=read_chat_template(folder),
        parameters=_parameters(config),
        license=read_license(folder),
        blocks=config.num_hidden_layers,
        width=config.hidden_size,
        cached_width=2 * config.kv_heads * config.head_size,
        vocabulary=config.vocab_size,
    )


def _parameters(config: ModelConfig) -> int:
    head, width = config.head_size, config.hidden_size
    attention = 2 * width * head * (config.num_attention_heads + config.kv_heads)
    layer = attention + 3 * width * config.intermediate_size + 2 * width
    words = math.prod((config.vocab_size, width, 1 if config.tie_word_embeddings else 2))
    return config.num_hidden_layers * layer + words + width


def _digest(files: tuple[Path, ...], marks: Marks) -> str:
    """Names, sizes and times: gigabytes need not be read for it."""
    told = hashlib.sha256(_GENERATION)
    for path, mark in zip(files, marks, strict=False):
        told.update(msgspec.json.encode((path.name, mark.size, mark.modified_ns)))
    for mark in marks[len(files) :]:
        told.update(msgspec.json.encode((mark.size, mark.modified_ns)))
    return told.hexdigest()[:40]
