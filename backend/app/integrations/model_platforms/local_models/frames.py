"""llama.cpp's stream of JSON objects, as a stream that an OpenAI client expects.

It reports progress where OpenAI is silent, and usage once per answer where OpenAI reports it once at the end; its
text completions carry log probabilities in the chat format. Objects that need none of this are not decoded.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.domain.errors import UpstreamUnavailable
from app.domain.usage import Usage
from app.integrations.model_platforms.local_models import failures
from app.integrations.model_platforms.local_models.questions import Question

DONE = b"data: [DONE]\n\n"
_decode = msgspec.json.Decoder().decode


class Frames:
    """`window`: tokens that one request may take."""

    def __init__(self, question: Question, *, provider: str, model: str, window: int) -> None:
        self._question = question
        self._provider = provider
        self._model = model
        self._window = window
        self._reports: list[dict[str, Any]] = []
        self._last: dict[str, Any] = {}
        self._offsets: dict[int, int] = {}

    def read(self, chunks: Iterable[bytes]) -> bytes:
        """The frames that `chunks` make, perhaps none. Raises PlatformError."""
        return b"".join(self._frame(chunk) for chunk in chunks)

    def end(self) -> tuple[bytes, Usage]:
        """The last frames, and what it took. Raises UpstreamUnavailable when an answer is missing its end."""
        if len(self._reports) < self._question.answers:
            raise UpstreamUnavailable(
                f"The local model '{self._model}' was stopped before it had finished.", provider=self._provider
            )
        usage = self._usage()
        return (self._usage_frame(usage) if self._question.wants_usage else b"") + DONE, usage

    def _frame(self, chunk: bytes) -> bytes:
        special = (
            self._question.log_probabilities
            or b'"usage":' in chunk
            or b'"prompt_progress":' in chunk
            or chunk.startswith(b'{"error"')
        )
        content = self._special(chunk) if special else chunk
        return b"data: %b\n\n" % content if content else b""

    def _special(self, chunk: bytes) -> bytes:
        frame = _decode(chunk)
        if "error" in frame:
            raise failures.from_answer(
                frame["error"], provider=self._provider, model=self._model, window=self._window
            )
        if "prompt_progress" in frame:
            return b""
        report = frame.pop("usage", None)
        if report is not None:
            self._reports.append(report)
            self._last = frame
        if self._question.log_probabilities:
            for choice in frame["choices"]:
                self._legacy_logprobs(choice)
        return msgspec.json.encode(frame) if frame["choices"] else b""

    def _legacy_logprobs(self, choice: dict[str, Any]) -> None:
        """https://platform.openai.com/docs/api-reference/completions/object"""
        tokens = (choice.get("logprobs") or {}).get("content")
        if not tokens:
            return
        offset = self._offsets.get(choice["index"], 0)
        offsets = []
        for token in tokens:
            offsets.append(offset)
            offset += len(token["token"])
        self._offsets[choice["index"]] = offset
        choice["logprobs"] = {
            "tokens": [token["token"] for token in tokens],
            "token_logprobs": [token["logprob"] for token in tokens],
            "top_logprobs": [{top["token"]: top["logprob"] for top in token["top_logprobs"]} for token in tokens],
            "text_offset": offsets,
        }

    def _usage(self) -> Usage:
        """Every answer reports its own output and its prompt, which it shares with `per_prompt` - 1 others."""
        reports, shared = self._reports, self._question.per_prompt
        return Usage(
            input_tokens=sum(report["prompt_tokens"] for report in reports) // shared,
            output_tokens=sum(report["completion_tokens"] for report in reports),
            cached_tokens=sum(report["prompt_tokens_details"]["cached_tokens"] for report in reports) // shared,
        )

    def _usage_frame(self, usage: Usage) -> bytes:
        frame = self._last | {
            "choices": [],
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
                "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            },
        }
        return b"data: %b\n\n" % msgspec.json.encode(frame)
