"""What a conversion makes of a model's description: which tensors, which tokens, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.integrations.model_platforms.local_models.conversion.config import ModelConfig, read_config
from app.integrations.model_platforms.local_models.conversion.files import read_license
from app.integrations.model_platforms.local_models.conversion.plan import plan
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError, Tensor
from app.integrations.model_platforms.local_models.conversion.tokenizer import Tokenizer, read_tokenizer
from app.integrations.model_platforms.local_models.conversion.writing import _rope_factors, in_pairs
from tests.servers.demo_checkpoint import write_description

LLAMA3_RULE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_description(tmp_path)
    return tmp_path


def change(folder: Path, name: str, **changes: Any) -> None:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def read(folder: Path) -> Tokenizer:
    return read_tokenizer(folder, size=1024)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"architectures": ["GPTNeoXForCausalLM"]},
            "its architecture .GPTNeoXForCausalLM. is none of LlamaForCausalLM",
        ),
        ({"architectures": "Llama"}, "its architecture .none. is none of"),
        ({"hidden_size": 1 << 40}, "can't be used"),
        ({"hidden_size": "wide"}, "can't be used"),
        ({"num_attention_heads": 0}, "can't be used"),
        ({"num_key_value_heads": 3}, "numbers of heads"),
        ({"head_dim": 33}, "numbers of heads"),
        ({"quantization_config": {"quant_method": "gptq"}}, "it is quantised .gptq."),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "scales its context by 'yarn'"),
        ({"hidden_act": "gelu"}, "its activation is 'gelu'"),
    ],
)
def test_a_model_that_cannot_be_converted(folder: Path, changes: dict[str, Any], complaint: str) -> None:
    change(folder, "config", **changes)
    with pytest.raises(ConversionError, match=complaint):
        read_config(folder)


def test_what_is_no_description(folder: Path) -> None:
    for told in ("", "{", "[]", "nul"):
        (folder / "config.json").write_text(told)
        with pytest.raises(ConversionError, match=r"its config\.json can't be used"):
            read_config(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ConversionError, match=r"no config\.json beside it"):
        read_config(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConversionError, match=r"a tokenizer\.model alone is not read"):
        read(folder)


def tensors(config: ModelConfig) -> dict[str, Tensor]:
    """All that belong to such a model."""
    width, inner, head = config.hidden_size, config.intermediate_size, config.head_size
    queries, keys = config.num_attention_heads * head, config.kv_heads * head
    found = {"model.embed_tokens": (config.vocab_size, width), "model.norm": (width,)}
    for layer in range(config.num_hidden_layers):
        shapes = {
            "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
            "self_attn.q_proj": (queries, width),
            "self_attn.k_proj": (keys, width),
            "self_attn.v_proj": (keys, width),
            "self_attn.o_proj": (width, queries),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        found |= {f"model.layers.{layer}.{name}": shape for name, shape in shapes.items()}
    return {f"{name}.weight": tensor(*shape) for name, shape in found.items()}


def tensor(*shape: int, element: str = "F16") -> Tensor:
    return Tensor(path=Path("x"), offset=0, element=element, shape=shape)


def test_every_tensor_has_its_place(folder: Path) -> None:
    config = read_config(folder)
    spare = {"model.layers.0.self_attn.rotary_emb.inv_freq": tensor(16), "lm_head.weight": tensor(1024, 128)}
    steps = {step.name: step for step in plan(config, tensors(config) | spare)}
    assert len(steps) == 2 + 4 * 9
    assert {name: step.heads for name, step in steps.items() if step.heads} == {
        f"blk.{layer}.attn_{kind}.weight": heads for layer in range(4) for kind, heads in (("q", 4), ("k", 2))
    }


def test_qwen_keeps_its_rows_and_has_biases(folder: Path) -> None:
    change(folder, "config", architectures=["Qwen2ForCausalLM"], tie_word_embeddings=False)
    config = read_config(folder)
    more = {"lm_head.weight": tensor(1024, 128), "model.layers.3.self_attn.k_proj.bias": tensor(64)}
    steps = {step.name: step for step in plan(config, tensors(config) | more)}
    assert not any(step.heads for step in steps.values())
    assert {"output.weight", "blk.3.attn_k.bias"} <= steps.keys()


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("model.norm.weight", None, r"it lacks 1 of its tensors, for example 'model\.norm\.weight'"),
        ("model.layers.2.mlp.up_proj.weight", None, "it lacks 1 of its tensors"),
        ("model.layers.4.mlp.up_proj.weight", tensor(384, 128), "a tensor that such a model has not"),
        ("model.layers.0.mlp.experts.weight", tensor(1), "a tensor that such a model has not"),
        ("model.norm.weight", tensor(127), r"the shape \(127,\); its config\.json makes it \(128,\)"),
        ("model.norm.weight", tensor(128, element="I64"), "of the type I64"),
    ],
)
def test_tensors_that_do_not_fit(folder: Path, name: str, given: Tensor | None, complaint: str) -> None:
    config = read_config(folder)
    found = tensors(config)
    if given is None:
        del found[name]
    else:
        found[name] = given
    with pytest.raises(ConversionError, match=complaint):
        plan(config, found)


def test_rows_of_a_head_come_in_pairs() -> None:
    rows = np.arange(8).reshape(8, 1)
    assert in_pairs(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_tokens(folder: Path) -> None:
    tokenizer = read(folder)
    assert (tokenizer.model, tokenizer.rule, tokenizer.adds_bos) == ("gpt2", "gpt-2", False)
    assert (len(tokenizer.tokens), len(tokenizer.merges)) == (1024, 765)
    assert (tokenizer.special, tokenizer.kinds.count(3)) == ({"bos": 0, "eos": 2}, 3)
    assert tokenizer.chat_template is not None
    (folder / "chat_template.jinja").write_text("mine")
    assert read(folder).chat_template == "mine"


def test_a_vocabulary_with_holes_is_filled(folder: Path) -> None:
    tokenizer = read_tokenizer(folder, size=1026)
    assert tokenizer.tokens[1024:] == ["[PAD1024]", "[PAD1025]"]
    assert tokenizer.kinds[1024:] == [5, 5]
    with pytest.raises(ConversionError, match=r"has the token 1023, and its config\.json 1000 tokens"):
        read_tokenizer(folder, size=1000)


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"type": "ByteLevel", "use_regex": True}, "gpt-2"),
        ({"type": "Sequence", "pretokenizers": [_split(LLAMA3_RULE), {"type": "ByteLevel"}]}, "llama-bpe"),
        (
            {
                "type": "Sequence",
                "pretokenizers": [_split(LLAMA3_RULE.replace("{1,3}", "")), {"type": "ByteLevel"}],
            },
            "qwen2",
        ),
        (
            {
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}],
            },
            "smollm",
        ),
        (None, None),
        ({"type": "ByteLevel", "use_regex": False}, None),
        ({"type": "Sequence", "pretokenizers": [_split(r"\s+"), {"type": "ByteLevel"}]}, None),
        ({"type": "Sequence", "pretokenizers": "none"}, None),
    ],
)
def test_how_texts_are_cut_is_known_or_refused(
    folder: Path, told: dict[str, Any] | None, rule: str | None
) -> None:
    change(folder, "tokenizer", pre_tokenizer=told)
    if rule is not None:
        assert read(folder).rule == rule
        return
    with pytest.raises(ConversionError, match="cuts texts by a rule that is not known here"):
        read(folder)


def test_pieces_of_sentences_get_the_order_of_their_merges(folder: Path) -> None:
    vocabulary = ["<unk>", "<s>", "<0x0A>", "a", "b", "ab", "▁", "▁ab"]
    model = {
        "type": "BPE",
        "vocab": {text: number for number, text in enumerate(vocabulary)},
        "merges": ["a b", ["▁", "ab"]],
        "byte_fallback": True,
    }
    change(folder, "tokenizer", model=model, added_tokens=[{"id": 1, "content": "<s>", "special": True}])
    tokenizer = read_tokenizer(folder, size=8)
    assert (tokenizer.model, tokenizer.merges) == ("llama", [])
    assert tokenizer.kinds == [2, 3, 6, 1, 1, 1, 1, 1]
    assert tokenizer.scores == [-2, -2, -2, -2, -2, 0, -2, -1]


@pytest.mark.parametrize(
    ("parts", "adds"),
    [
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}]}}, True),
        ({"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first"}}, True),
        ({"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "never"}}, False),
        ({"pre_tokenizer": None}, False),
    ],
)
def test_whether_a_text_begins_with_a_space(folder: Path, parts: dict[str, Any], adds: bool) -> None:
    model = json.loads((folder / "tokenizer.json").read_text())["model"] | {"byte_fallback": True}
    change(folder, "tokenizer", model=model, **parts)
    assert read(folder).adds_space is adds


def test_another_kind_of_tokenizer_is_refused(folder: Path) -> None:
    change(folder, "tokenizer", model={"type": "Unigram", "vocab": {}})
    with pytest.raises(ConversionError, match="of the kind 'Unigram'"):
        read(folder)


def test_the_beginning_is_added_where_the_tokenizer_does(folder: Path) -> None:
    step = {"type": "TemplateProcessing", "special_tokens": {"<|endoftext|>": {}}}
    first = read(folder).tokens[0]
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["add_bos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert read(folder).adds_bos is False
    step["special_tokens"] = {first: {}}
    change(folder, "tokenizer", post_processor={"type": "Sequence", "processors": [{"type": "ByteLevel"}, step]})
    assert read(folder).adds_bos is True


def test_llama_3_slows_only_long_waves(folder: Path) -> None:
    change(
        folder,
        "config",
        rope_theta=500_000.0,
        head_dim=128,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    )
    factors = _rope_factors(read_config(folder))
    assert factors is not None
    assert (len(factors), factors[0], factors[-1]) == (64, 1.0, 8.0)
    assert (np.diff(factors) >= 0).all()


@pytest.mark.parametrize(
    ("readme", "license"),
    [
        ("---\ntags:\n- x\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("# Model\nlicense: mit\n", None),
        (None, None),
    ],
)
def test_the_licence(tmp_path: Path, readme: str | None, license: str | None) -> None:
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    assert read_license(tmp_path) == license
