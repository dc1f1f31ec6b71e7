"""tokenizer.json, as `tokenizers` writes it, in the terms of GGUF: byte-level BPE, and SentencePiece's kind of it.

How a text is cut before the merges is told to llama.cpp by name, since it has the rules in itself; a rule that
stands under none of the names here is refused, for a model with wrong tokens would talk nonsense.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from app.integrations.model_platforms.local_models.conversion.files import (
    LARGEST_TOKENIZER,
    read_json,
    read_text,
)
from app.integrations.model_platforms.local_models.conversion.tensors import ConversionError

NO_TOKENIZER = (
    "there is no tokenizer.json beside it; a tokenizer.model alone is not read: load and save the tokenizer with "
    "transformers' AutoTokenizer, which writes one"
)
# gguf.TokenType, which costs an import of numpy.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

_ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Split pattern -> llama.cpp's name of the rule.
_RULES = {f"{_ENGLISH}{{1,3}}{_REST}": "llama-bpe", f"{_ENGLISH}{_REST}": "qwen2"}
_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")


class _Added(msgspec.Struct, frozen=True):
    id: int
    content: str
    special: bool = False


class _Model(msgspec.Struct, frozen=True):
    type: str | None = None
    vocab: dict[str, int] = {}
    merges: list[str | tuple[str, str]] = []
    byte_fallback: bool | None = False


class _File(msgspec.Struct, frozen=True):
    model: _Model
    added_tokens: list[_Added] = []
    pre_tokenizer: dict[str, Any] | None = None
    normalizer: dict[str, Any] | None = None
    post_processor: dict[str, Any] | None = None


class Tokenizer(msgspec.Struct, frozen=True, kw_only=True):
    """`model` and `rule`: llama.cpp's names. `scores`: of SentencePiece's kind, which has no merges. `adds_space`:
    such a one puts a space before a text.
    """

    model: str
    rule: str
    tokens: list[str]
    kinds: list[int]
    merges: list[str] = []
    scores: list[float] = []
    special: dict[str, int] = {}
    adds_bos: bool = False
    adds_space: bool = False
    chat_template: str | None = None


def read_tokenizer(folder: Path, *, size: int) -> Tokenizer:
    """`size`: of the vocabulary by config.json. Raises ConversionError."""
    file = read_json(folder, "tokenizer.json", _File, largest=LARGEST_TOKENIZER)
    if file is None:
        raise ConversionError(NO_TOKENIZER)
    if file.model.type not in ("BPE", None) or not file.model.vocab:
        raise ConversionError(f"its tokenizer is of the kind '{file.model.type}', and BPE can be converted")
    tokens, kinds = _tokens(file, size)
    settings: dict[str, Any] = read_json(folder, "tokenizer_config.json", dict[str, Any]) or {}
    piecewise = bool(file.model.byte_fallback)
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in file.model.merges]
    return Tokenizer(
        model="llama" if piecewise else "gpt2",
        rule="default" if piecewise else _rule(file.pre_tokenizer),
        tokens=tokens,
        kinds=_with_bytes(tokens, kinds) if piecewise else kinds,
        merges=[] if piecewise else pairs,
        scores=_scores(tokens, pairs) if piecewise else [],
        special=_special(settings, tokens),
        adds_bos=_adds_bos(settings, file),
        adds_space=piecewise and _adds_space(file),
        chat_template=read_chat_template(folder),
    )


def read_chat_template(folder: Path) -> str | None:
    """Of chat_template.jinja, else of tokenizer_config.json, else none."""
    own = read_text(folder, "chat_template.jinja")
    if own is not None:
        return own
    told = (read_json(folder, "tokenizer_config.json", dict[str, Any]) or {}).get("chat_template")
    if isinstance(told, list):
        named = {each.get("name"): each.get("template") for each in told if isinstance(each, dict)}
        told = named.get("default")
    return told if isinstance(told, str) else None


def _tokens(file: _File, size: int) -> tuple[list[str], list[int]]:
    added = {token.id: token for token in file.added_tokens}
    texts = {number: text for text, number in file.model.vocab.items()}
    texts |= {number: token.content for number, token in added.items()}
    if min(texts) < 0 or max(texts) >= size:
        raise ConversionError(
            f"its tokenizer has the token {max(texts)}, and its config.json {size} tokens in all"
        )
    tokens, kinds = [], []
    for number in range(size):
        text = texts.get(number)
        tokens.append(f"[PAD{number}]" if text is None else text)
        if text is None:
            kinds.append(UNUSED)
        elif number in added:
            kinds.append(CONTROL if added[number].special else USER_DEFINED)
        else:
            kinds.append(NORMAL)
    return tokens, kinds


def _with_bytes(tokens: list[str], kinds: list[int]) -> list[int]:
    def kind(text: str, known: int) -> int:
        if text == "<unk>":
            return UNKNOWN
        return BYTE if _BYTE_TOKEN.fullmatch(text) else known

    return [kind(text, known) for text, known in zip(tokens, kinds, strict=True)]


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """SentencePiece joins first what has the higher score: here, what an earlier merge makes."""
    made: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        made.setdefault(pair.replace(" ", "", 1), rank)
    return [-float(made.get(text, len(merges))) for text in tokens]


def _adds_space(file: _File) -> bool:
    steps = (file.normalizer or {}).get("normalizers", [file.normalizer])
    if any(isinstance(step, dict) and step.get("type") == "Prepend" for step in steps):
        return True
    cut = file.pre_tokenizer or {}
    return cut.get("type") == "Metaspace" and cut.get("prepend_scheme", "always") != "never"


def _rule(told: dict[str, Any] | None) -> str:
    """llama.cpp's name of how a text is cut. Raises ConversionError."""
    parts = (told or {}).get("pretokenizers", [told])
    match parts:
        case [{"type": "ByteLevel", **rest}] if rest.get("use_regex", True):
            return "gpt-2"
        case [{"type": "Split", "pattern": {"Regex": str(pattern)}}, {"type": "ByteLevel"}] if pattern in _RULES:
            return _RULES[pattern]
        case [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"}]:
            return "smollm"
    raise ConversionError(
        "its tokenizer cuts texts by a rule that is not known here; convert it to GGUF with llama.cpp's "
        "convert_hf_to_gguf.py"
    )


def _special(settings: dict[str, Any], tokens: list[str]) -> dict[str, int]:
    """bos, eos, pad and unk -> the token's number."""
    numbers = {text: number for number, text in enumerate(tokens)}
    found = {}
    for name in ("bos", "eos", "pad", "unk"):
        told = settings.get(f"{name}_token")
        text = told.get("content") if isinstance(told, dict) else told
        if isinstance(text, str) and text in numbers:
            found[name] = numbers[text]
    return found


def _adds_bos(settings: dict[str, Any], file: _File) -> bool:
    told = settings.get("add_bos_token")
    if isinstance(told, bool):
        return told
    bos = settings.get("bos_token")
    text = bos.get("content") if isinstance(bos, dict) else bos
    steps = (file.post_processor or {}).get("processors", [file.post_processor])
    return any(
        isinstance(step, dict)
        and step.get("type") == "TemplateProcessing"
        and text in (step.get("special_tokens") or {})
        for step in steps
    )
