"""Writes the directory of `train.py` as one GGUF file, with numpy and gguf alone.

It knows the one shape that `train.py` makes: a llama with tied embeddings and a byte-level BPE.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

log = logging.getLogger("export")

Weights = npt.NDArray[np.float32]

NAME: Final = "llm-platform-demo"
LICENSE: Final = "apache-2.0"
DESCRIPTION: Final = (
    "A tiny demo: a few answers about Kubernetes and this platform, so that a fresh installation answers at once."
)
TEMPLATE: Final = Path(__file__).with_name("chat_template.jinja")
END_OF_TEXT_ID, TURN_END_ID = 0, 2

# GGUF name -> Hugging Face name, for what stands once and for what stands in every layer.
WHOLE: Final = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
LAYER: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def interleave_rope(weights: Weights, heads: int) -> Weights:
    """Rows of each head reordered: Hugging Face rotates the two halves, llama.cpp neighbouring pairs."""
    rows, columns = weights.shape
    halves = weights.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def write_metadata(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_name(NAME)
    writer.add_license(LICENSE)
    writer.add_description(DESCRIPTION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_rope_freq_base(float(config["rope_parameters"]["rope_theta"]))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def write_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    special = {token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    kinds = [gguf.TokenType.CONTROL if token_id in special else gguf.TokenType.NORMAL for _, token_id in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(END_OF_TEXT_ID)
    writer.add_pad_token_id(END_OF_TEXT_ID)
    writer.add_eos_token_id(TURN_END_ID)
    writer.add_eot_token_id(TURN_END_ID)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE.read_text(encoding="utf-8").strip())


def write_tensor(writer: gguf.GGUFWriter, name: str, weights: Weights) -> None:
    """Matrices as Q8_0; the few vectors stay exact, as llama.cpp wants them."""
    if weights.ndim == 1:
        writer.add_tensor(f"{name}.weight", weights)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(f"{name}.weight", gguf.quants.quantize(weights, kind), raw_dtype=kind)


def write_tensors(writer: gguf.GGUFWriter, config: dict[str, Any], tensors: dict[str, Weights]) -> None:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for name, source in WHOLE.items():
        write_tensor(writer, name, tensors[f"{source}.weight"])
    for layer in range(config["num_hidden_layers"]):
        for name, source in LAYER.items():
            weights = tensors[f"model.layers.{layer}.{source}.weight"]
            if name in heads:
                weights = interleave_rope(weights, heads[name])
            write_tensor(writer, f"blk.{layer}.{name}", weights)


def export(source: Path, target: Path) -> None:
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    tensors = {name: array.astype(np.float32) for name, array in load_file(source / "model.safetensors").items()}
    writer = gguf.GGUFWriter(target, "llama")
    write_metadata(writer, config)
    write_tokenizer(writer, tokenizer)
    write_tensors(writer, config, tensors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    log.info("%s: %d bytes", target, target.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a trained demo model as a GGUF file.")
    parser.add_argument("source", type=Path, help="directory that train.py wrote")
    parser.add_argument("target", type=Path, help="GGUF file to write")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    export(options.source, options.target)


if __name__ == "__main__":
    main()
