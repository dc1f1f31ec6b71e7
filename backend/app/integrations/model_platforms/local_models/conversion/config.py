"""What a model's config.json says, checked, and whether it is of a family that can be converted."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from app.integrations.model_platforms.local_models.conversion.files import read_json
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError

Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]
_MOST_LAYERS = 1024


class Rope(msgspec.Struct, frozen=True, kw_only=True):
    """How positions are told: the field `rope_scaling` of older files, `rope_parameters` of newer ones."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: float | None = None
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: Count | None = None

    @property
    def kind(self) -> str:
        return self.rope_type or self.type or "default"


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    architectures: list[str]
    hidden_size: Count
    num_hidden_layers: Annotated[int, msgspec.Meta(ge=1, le=_MOST_LAYERS)]
    num_attention_heads: Count
    intermediate_size: Count
    vocab_size: Count
    max_position_embeddings: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)]
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    rope_scaling: Rope | None = None
    rope_parameters: Rope | None = None
    tie_word_embeddings: bool = False
    hidden_act: str = "silu"
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    quantization_config: dict[str, Any] | None = None
    torch_dtype: str | None = None
    dtype: str | None = None

    @property
    def family(self) -> "Family":
        return FAMILIES[self.architectures[0]]

    @property
    def kv_heads(self) -> int:
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def head_size(self) -> int:
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def rope(self) -> Rope:
        return self.rope_parameters or self.rope_scaling or Rope()

    @property
    def rope_base(self) -> float:
        return self.rope.rope_theta or self.rope_theta


class Family(msgspec.Struct, frozen=True):
    """`architecture`: llama.cpp's name. `pairs`: it rotates neighbouring rows of a query or key, where Hugging
    Face rotates the two halves.
    """

    architecture: str
    pairs: bool


FAMILIES = {
    "LlamaForCausalLM": Family("llama", pairs=True),
    "MistralForCausalLM": Family("llama", pairs=True),
    "Qwen2ForCausalLM": Family("qwen2", pairs=False),
    "Qwen3ForCausalLM": Family("qwen3", pairs=False),
}
_ROPES = frozenset({"default", "linear", "llama3"})


def read_config(folder: Path) -> ModelConfig:
    """Raises ConversionError."""
    named = read_json(folder, "config.json", dict[str, Any])
    if named is None:
        raise ConversionError("there is no config.json beside it, which tells the model's shape")
    architectures = named.get("architectures")
    if not isinstance(architectures, list) or not architectures or architectures[0] not in FAMILIES:
        told = str(architectures[0])[:80] if isinstance(architectures, list) and architectures else "none"
        raise ConversionError(
            f"its architecture ({told}) is none of {', '.join(FAMILIES)}; convert it to GGUF with llama.cpp's "
            "convert_hf_to_gguf.py"
        )
    try:
        config = msgspec.convert(named, ModelConfig)
    except msgspec.ValidationError as error:
        raise ConversionError(f"its config.json can't be used: {str(error)[:200]}") from None
    _check(config)
    return config


def _check(config: ModelConfig) -> None:
    if config.quantization_config is not None:
        method = str(config.quantization_config.get("quant_method", "an own method"))[:40]
        raise ConversionError(
            f"it is quantised ({method}), which can't be converted: take the original or a GGUF file"
        )
    if config.rope.kind not in _ROPES:
        raise ConversionError(f"it scales its context by '{config.rope.kind[:40]}', which can't be converted")
    if config.hidden_act != "silu":
        raise ConversionError(f"its activation is '{config.hidden_act[:40]}', and silu can be converted")
    if config.num_attention_heads % config.kv_heads or config.head_size % 2:
        raise ConversionError("the numbers of heads in its config.json do not fit")
