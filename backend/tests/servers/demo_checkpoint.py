"""The demo model as Hugging Face would keep it, taken back out of its GGUF file: as safetensors or as a .pt."""

import json
import struct
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from app.integrations.model_platforms.local_models.registry import DEMO_PATH

Weights = dict[str, npt.NDArray[np.float32]]

_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
_LAYER = {
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
_HEADS = {"attn_q": 4, "attn_k": 2}


def write_description(folder: Path) -> None:
    """All but the weights: config.json, tokenizer.json, tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, told in _description().items():
        (folder / f"{name}.json").write_text(told, encoding="utf-8")


@cache
def _description() -> dict[str, str]:
    read = {key: field.contents for key, field in gguf.GGUFReader(DEMO_PATH).fields.items()}
    tokens, merges = read["tokenizer.ggml.tokens"](), read["tokenizer.ggml.merges"]()
    special = [number for number, kind in enumerate(read["tokenizer.ggml.token_type"]()) if kind == 3]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 384,
        "vocab_size": 1024,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
    }
    tokenizer = {
        "model": {"type": "BPE", "vocab": {text: number for number, text in enumerate(tokens)}, "merges": merges},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "added_tokens": [{"id": number, "content": tokens[number], "special": True} for number in special],
    }
    settings = {
        "chat_template": read["tokenizer.chat_template"](),
        "bos_token": tokens[0],
        "eos_token": {"content": tokens[2]},
        "add_bos_token": False,
    }
    told = {"config": config, "tokenizer": tokenizer, "tokenizer_config": settings}
    return {name: json.dumps(each) for name, each in told.items()}


@cache
def weights() -> Weights:
    found = {}
    for tensor in gguf.GGUFReader(DEMO_PATH).tensors:
        rows = np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        stem = tensor.name.removesuffix(".weight")
        if stem in _WHOLE:
            found[f"{_WHOLE[stem]}.weight"] = rows
            continue
        _, layer, kind = stem.split(".")
        if kind in _HEADS:
            rows = _in_halves(rows, _HEADS[kind])
        found[f"model.layers.{layer}.{_LAYER[kind]}.weight"] = rows
    return found


def _in_halves(rows: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """The order that Hugging Face rotates them in."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows.shape))


def write_safetensors(folder: Path, *, shards: int = 1) -> None:
    write_description(folder)
    every = list(weights().items())
    for shard in range(shards):
        name = "model.safetensors" if shards == 1 else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        save_file(dict(every[shard::shards]), folder / name)


def write_deep(folder: Path, layers: int) -> None:
    """Its first layer again and again, in half precision: it takes a while to convert, and makes no sense."""
    write_description(folder)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": layers}))
    halves = {name: rows.astype(np.float16) for name, rows in weights().items()}
    stem = "model.layers.0."
    for name in [name for name in halves if name.startswith(stem)]:
        halves |= {f"model.layers.{layer}.{name.removeprefix(stem)}": halves[name] for layer in range(layers)}
    save_file(halves, folder / "model.safetensors")


def write_torch(path: Path, *, pickled: bytes | None = None) -> None:
    """As torch.save writes a state dict. `pickled`: another program in the place of the true one."""
    write_description(path.parent)
    every = weights()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled or state_dict_pickle(every))
        archive.writestr("archive/byteorder", "little")
        for number, rows in enumerate(every.values()):
            archive.writestr(f"archive/data/{number}", rows.astype(np.float16).tobytes())
        archive.writestr("archive/version", "3\n")


def state_dict_pickle(every: Weights) -> bytes:
    """In protocol 2, word for word what torch.save makes of an OrderedDict of half-precision tensors."""
    body = b"\x80\x02ccollections\nOrderedDict\n)R("
    for number, (name, rows) in enumerate(every.items()):
        strides = tuple(step // rows.itemsize for step in rows.strides)
        storage = b"(" + _text("storage") + b"ctorch\nHalfStorage\n" + _text(str(number)) + _text("cpu")
        storage += _number(rows.size) + b"tQ"
        body += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _number(0)
        body += _numbers(rows.shape) + _numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    metadata = b"}" + _text("_metadata") + b"ccollections\nOrderedDict\n)Rs"
    return body + b"u" + metadata + b"b."


def _text(text: str) -> bytes:
    told = text.encode()
    return b"X" + struct.pack("<I", len(told)) + told


def _number(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _numbers(numbers: Any) -> bytes:
    return b"(" + b"".join(_number(number) for number in numbers) + b"t"
