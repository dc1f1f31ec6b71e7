"""Writes the GGUF file: one tensor after the other, so that memory holds one at a time. Needs numpy and gguf."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import msgspec
import numpy as np
import numpy.typing as npt

from app.integrations.model_platforms.local_models.conversion.config import ModelConfig
from app.integrations.model_platforms.local_models.conversion.plan import Step
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError, Tensor
from app.integrations.model_platforms.local_models.conversion.tokenizer import Tokenizer

Array = npt.NDArray[np.generic]
Kind = gguf.GGMLQuantizationType

# numpy has no bfloat16: its bits are carried as integers.
_STORED = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    config: ModelConfig
    tokenizer: Tokenizer
    steps: list[Step]
    license: str | None = None


def write_gguf(target: Path, model: Model, told: Callable[[float], object]) -> None:
    """`told`: of the fraction that is written. Raises ConversionError, OSError."""
    writer = gguf.GGUFWriter(target, model.config.family.architecture)
    kinds = [_kind(step) for step in model.steps]
    _write_shape(writer, model, kinds)
    _write_tokenizer(writer, model)
    factors = _rope_factors(model.config)
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for step, kind in zip(model.steps, kinds, strict=True):
        shape = step.tensor.shape
        width = {Kind.F32: 4}.get(kind, 2)
        dtype = np.dtype(np.float32 if kind is Kind.F32 else np.float16)
        writer.add_tensor_info(step.name, shape, dtype, math.prod(shape) * width, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for fraction, weights in _weights(model.steps, kinds):
        writer.write_tensor_data(weights)
        told(fraction)
    writer.close()


def _weights(steps: list[Step], kinds: list[Kind]) -> Iterator[tuple[float, Array]]:
    total = sum(math.prod(step.tensor.shape) for step in steps)
    done = 0
    for step, kind in zip(steps, kinds, strict=True):
        done += math.prod(step.tensor.shape)
        weights = read(step.tensor)
        if step.heads is not None:
            weights = in_pairs(weights, step.heads)
        yield done / total, _as(kind, weights, step)


def _kind(step: Step) -> Kind:
    """Vectors as 32 bits, as llama.cpp wants them; matrices as 16, those of bfloat16 as they are."""
    if len(step.tensor.shape) == 1:
        return Kind.F32
    return Kind.BF16 if step.tensor.element == "BF16" else Kind.F16


def _as(kind: Kind, weights: Array, step: Step) -> Array:
    if kind is Kind.BF16:
        return np.ascontiguousarray(weights)
    if step.tensor.element == "BF16":
        weights = (weights.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(weights, dtype=np.float32 if kind is Kind.F32 else np.float16)
    if not np.isfinite(made).all():
        raise ConversionError(f"the tensor of '{step.name}' has numbers that 16 bits can't hold")
    return made


def read(tensor: Tensor) -> Array:
    """The numbers of a tensor, mapped from its file. Its bounds were checked."""
    dtype = np.dtype(_STORED[tensor.element]).newbyteorder("<")
    if tensor.strides is None:
        return np.memmap(tensor.path, dtype, "r", tensor.offset, tensor.shape)
    reach = 1 + sum((side - 1) * step for side, step in zip(tensor.shape, tensor.strides, strict=True))
    flat = np.memmap(tensor.path, dtype, "r", tensor.offset, (reach,))
    steps = [step * dtype.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, steps, writeable=False)


def in_pairs(weights: Array, heads: int) -> Array:
    """Rows of each head reordered: Hugging Face rotates the two halves, llama.cpp neighbouring pairs."""
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def _write_shape(writer: gguf.GGUFWriter, model: Model, kinds: list[Kind]) -> None:
    config = model.config
    writer.add_type("model")
    writer.add_name(model.name)
    if model.license:
        writer.add_license(model.license)
    kept = Kind.BF16 in kinds
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16 if kept else gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_size)
    writer.add_value_length(config.head_size)
    writer.add_rope_dimension_count(config.head_size)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if config.rope.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope.factor)


def _rope_factors(config: ModelConfig) -> npt.NDArray[np.float32] | None:
    """By how much Llama 3.1 slows each frequency: long waves by `factor`, short ones not, those between in
    part.
    """
    rope = config.rope
    if rope.kind != "llama3":
        return None
    trained = rope.original_max_position_embeddings or 8192
    rates = config.rope_base ** -(np.arange(0, config.head_size, 2, dtype=np.float64) / config.head_size)
    waves = 2 * np.pi / rates
    share = (trained / waves - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(1 / ((1 - share) / rope.factor + share), dtype=np.float32)


def _write_tokenizer(writer: gguf.GGUFWriter, model: Model) -> None:
    tokenizer, config = model.tokenizer, model.config
    writer.add_tokenizer_model(tokenizer.model)
    writer.add_tokenizer_pre(tokenizer.rule)
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(tokenizer.kinds)
    if tokenizer.scores:
        writer.add_add_space_prefix(tokenizer.adds_space)
        writer.add_token_scores(tokenizer.scores)
    if tokenizer.merges:
        writer.add_token_merges(tokenizer.merges)
    ends = config.eos_token_id
    told = {"bos": config.bos_token_id, "eos": ends[0] if isinstance(ends, list) and ends else ends}
    special = {name: number for name, number in told.items() if isinstance(number, int)} | tokenizer.special
    writes = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "pad": writer.add_pad_token_id,
        "unk": writer.add_unk_token_id,
    }
    for name, number in special.items():
        writes[name](number)
    writer.add_add_bos_token(tokenizer.adds_bos)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)
