"""Which tensor of the model becomes which of the GGUF file. Every one that belongs there must be there, in its
shape.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from app.integrations.model_platforms.local_models.conversion.config import ModelConfig
from app.integrations.model_platforms.local_models.conversion.tensors import WEIGHTS, ConversionError, Tensor

_LAYER = re.compile(r"model\.layers\.(\d{1,4})\.(.+)\.(weight|bias)")
# What some models carry and nobody needs: it follows from the configuration.
_SPARE = re.compile(r"(?:.*\.)?rotary_emb\.inv_freq")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`heads`: its rows are to be put in the order of pairs, for so many heads."""

    name: str
    tensor: Tensor
    heads: int | None = None


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """`sides`: of the weight; those of a bias are the first alone. `needed`: of the weight."""

    name: str
    sides: tuple[int, ...]
    heads: int | None = None
    needed: bool = True


def plan(config: ModelConfig, tensors: Mapping[str, Tensor]) -> list[Step]:
    """In the order of the file. Raises ConversionError."""
    wanted = {step.name: step for step in _steps(config, tensors)}
    needed = [name for name, place in _whole(config).items() if place.needed]
    for layer in range(config.num_hidden_layers):
        needed += [f"model.layers.{layer}.{name}" for name, place in _in_layer(config).items() if place.needed]
    missing = [name for name in needed if f"{name}.weight" not in tensors]
    if missing:
        raise ConversionError(f"it lacks {len(missing)} of its tensors, for example '{missing[0]}.weight'")
    return list(wanted.values())


def _steps(config: ModelConfig, tensors: Mapping[str, Tensor]) -> Iterator[Step]:
    whole, in_layer = _whole(config), _in_layer(config)
    for name, tensor in tensors.items():
        if _SPARE.fullmatch(name) or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        found = _LAYER.fullmatch(name)
        if found is not None and int(found[1]) < config.num_hidden_layers:
            place, prefix, kind = in_layer.get(found[2]), f"blk.{int(found[1])}.", found[3]
        else:
            stem, _, kind = name.rpartition(".")
            place, prefix = whole.get(stem), ""
        if place is None or kind not in ("weight", "bias"):
            raise ConversionError(f"it has a tensor that such a model has not: '{name[:200]}'")
        yield _step(f"{prefix}{place.name}.{kind}", name, tensor, place)


def _step(name: str, source: str, tensor: Tensor, place: _Place) -> Step:
    sides = place.sides if name.endswith(".weight") else place.sides[:1]
    if tensor.shape != sides:
        raise ConversionError(
            f"the tensor '{source}' has the shape {tensor.shape}; its config.json makes it {sides}"
        )
    if tensor.element not in WEIGHTS:
        raise ConversionError(f"the tensor '{source}' is of the type {tensor.element}, which can't be converted")
    return Step(name=name, tensor=tensor, heads=place.heads)


def _whole(config: ModelConfig) -> dict[str, _Place]:
    words = (config.vocab_size, config.hidden_size)
    return {
        "model.embed_tokens": _Place(name="token_embd", sides=words),
        "model.norm": _Place(name="output_norm", sides=(config.hidden_size,)),
        "lm_head": _Place(name="output", sides=words, needed=not config.tie_word_embeddings),
    }


def _in_layer(config: ModelConfig) -> dict[str, _Place]:
    width, inner, head = config.hidden_size, config.intermediate_size, config.head_size
    queries, keys = config.num_attention_heads, config.kv_heads
    pairs = config.family.pairs
    normed = config.family.architecture == "qwen3"
    return {
        "input_layernorm": _Place(name="attn_norm", sides=(width,)),
        "self_attn.q_proj": _Place(name="attn_q", sides=(queries * head, width), heads=queries if pairs else None),
        "self_attn.k_proj": _Place(name="attn_k", sides=(keys * head, width), heads=keys if pairs else None),
        "self_attn.v_proj": _Place(name="attn_v", sides=(keys * head, width)),
        "self_attn.o_proj": _Place(name="attn_output", sides=(width, queries * head)),
        "self_attn.q_norm": _Place(name="attn_q_norm", sides=(head,), needed=normed),
        "self_attn.k_norm": _Place(name="attn_k_norm", sides=(head,), needed=normed),
        "post_attention_layernorm": _Place(name="ffn_norm", sides=(width,)),
        "mlp.gate_proj": _Place(name="ffn_gate", sides=(inner, width)),
        "mlp.up_proj": _Place(name="ffn_up", sides=(inner, width)),
        "mlp.down_proj": _Place(name="ffn_down", sides=(width, inner)),
    }
