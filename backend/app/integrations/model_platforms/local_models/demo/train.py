"""Trains the demo model on the conversations of `conversations.py` and writes it as a Hugging Face directory.

Runs on a CPU in minutes. The same seed, thread count and library versions give the same weights; `export_gguf.py`
turns the directory into the file that ships. This script is a tool of its own and is imported by nothing.
"""

import argparse
import logging
import random
import time
from pathlib import Path
from typing import Final

import torch
from conversations import conversation
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

log = logging.getLogger("train")

VOCABULARY: Final = 1024
CONTEXT: Final = 1024
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# The answers are what is to be learnt; a little weight on the questions teaches the words they are made of.
ANSWER_WEIGHT, QUESTION_WEIGHT = 1.0, 0.05


def train_tokenizer(rng: random.Random, conversations: int = 6000) -> Tokenizer:
    """A byte-level BPE: any text can be encoded, and the corpus in few tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (message.content for _ in range(conversations) for message in conversation(rng))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def build_model(layers: int, dimension: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=dimension,
            intermediate_size=3 * dimension,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


class Batches:
    """Draws rows of whole conversations back to back, as token ids and the weight of each token in the loss."""

    def __init__(self, tokenizer: Tokenizer, rng: random.Random, rows: int, length: int) -> None:
        self._tokenizer = tokenizer
        self._rng = rng
        self._rows = rows
        self._length = length
        self._newline = self._encode("\n")
        self._start = tokenizer.token_to_id(TURN_START)
        self._end = tokenizer.token_to_id(TURN_END)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Two tensors of shape (rows, length + 1): ids (int64) and weights (float32)."""
        rows = [self._row() for _ in range(self._rows)]
        return torch.tensor([ids for ids, _ in rows]), torch.tensor([weights for _, weights in rows])

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def _row(self) -> tuple[list[int], list[float]]:
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) <= self._length:
            for role, content, forced in conversation(self._rng):
                head = [self._start, *self._encode(f"{role}\n")]
                body = [*self._encode(content), self._end]
                weight = ANSWER_WEIGHT if role == "assistant" else QUESTION_WEIGHT
                ids += [*head, *body, *self._newline]
                weights += [0.0] * len(head) + [0.0 if forced else weight] + [weight] * (len(body) - 1)
                weights += [0.0] * len(self._newline)
            ids.append(0)
            weights.append(0.0)
        return ids[: self._length + 1], weights[: self._length + 1]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """A short warm-up, then a straight line down to 2 % of the peak."""
    return peak * min(1.0, (step + 1) / 40) * (1.0 - 0.98 * step / steps)


def fit(model: LlamaForCausalLM, batches: Batches, steps: int, peak: float) -> float:
    """Trains in place and returns the mean loss of the last 20 steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.01)
    started = time.monotonic()
    losses: list[float] = []
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        ids, weights = batches.draw()
        logits = model(input_ids=ids[:, :-1]).logits
        each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weight = weights[:, 1:].flatten()
        loss = (each * weight).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 25 == 0 or step == steps - 1:
            log.info("step %d/%d  loss %.3f  %.0f s", step, steps, losses[-1], time.monotonic() - started)
    tail = losses[-20:]
    return sum(tail) / len(tail)


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, directory: Path) -> None:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=TURN_END, pad_token=END_OF_TEXT
    )
    wrapped.save_pretrained(directory)
    # Full precision here: the one rounding is the quantization on export.
    model.save_pretrained(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo model.")
    parser.add_argument("--out", type=Path, default=Path("hf"), help="directory to write (default: hf)")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--rows", type=int, default=14, help="rows in a batch")
    parser.add_argument("--length", type=int, default=288, help="tokens in a row")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    rng = random.Random(options.seed)  # noqa: S311 - draws training text, guards nothing
    tokenizer = train_tokenizer(rng)
    model = build_model(options.layers, options.dimension)
    log.info("%d parameters, %d tokens", model.num_parameters(), tokenizer.get_vocab_size())
    batches = Batches(tokenizer, rng, options.rows, options.length)
    log.info("mean loss of the last steps: %.4f", fit(model, batches, options.steps, options.learning_rate))
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
