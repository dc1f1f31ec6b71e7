"""What answers inside the Ollama fake: words written down beforehand, or real inference by the demo model."""

import asyncio
import json
import math
import re
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

DEMO_MODEL = Path(__file__).parents[2] / "app/integrations/model_platforms/local_models/demo/platform-demo.gguf"

Json = dict[str, Any]


@dataclass
class Piece:
    """A token's text, with its log probability and alternatives in Ollama's shape. The last has a `reason`."""

    text: str
    logprob: Json | None = None
    reason: str = ""


class Engine(Protocol):
    def count(self, text: str) -> int: ...

    def complete(self, prompt: str, options: Json, schema: Json | None) -> AsyncGenerator[Piece, None]: ...

    def embed(self, text: str) -> list[float]: ...


@dataclass
class ScriptedEngine:
    """Answers every prompt with `answer`, a word a token. `hold`: waited for after each piece."""

    answer: str = "A pod is one or more containers."
    hold: asyncio.Event | None = None
    speaking: asyncio.Event = field(default_factory=asyncio.Event)
    prompts: list[str] = field(default_factory=list)

    def count(self, text: str) -> int:
        return len(words(text))

    async def complete(self, prompt: str, options: Json, schema: Json | None) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        tokens = words(json.dumps(instance_of(schema)) if schema else self.answer)
        limit = options.get("num_predict", -1)
        for index, word in enumerate(tokens):
            if index == limit:
                yield Piece("", reason="length")
                return
            yield Piece(word, logprob={"token": word, "logprob": -0.25, "top_logprobs": [_top(word)]})
            self.speaking.set()
            if self.hold is not None:
                await self.hold.wait()
        yield Piece("", reason="stop")

    def embed(self, text: str) -> list[float]:
        vector = [float(sum(text.encode()[place::4]) + 1) for place in range(4)]
        length = math.sqrt(sum(value * value for value in vector))
        return [value / length for value in vector]


class DemoEngine:
    """The bundled model through xllamacpp, in this process, one answer at a time."""

    def __init__(self, context: int = 1024) -> None:
        self._server = _llama(context, embedding=False)
        self._embedder = _llama(context, embedding=True)

    def count(self, text: str) -> int:
        answer = self._server.handle_completions({"prompt": text, "n_predict": 0})
        if "error" in answer:
            return int(answer["error"]["n_prompt_tokens"])
        return int(answer["usage"]["prompt_tokens"])

    async def complete(self, prompt: str, options: Json, schema: Json | None) -> AsyncGenerator[Piece, None]:
        wanted = {
            "prompt": prompt,
            "stream": True,
            "n_predict": options.get("num_predict", -1),
            "n_probs": 1,
            **{
                name: options[name]
                for name in ("temperature", "seed", "stop", "top_k", "top_p")
                if name in options
            },
            **({"json_schema": schema} if schema else {}),
        }
        async for chunk in _streamed(self._server.handle_completions, wanted):
            choice = chunk["choices"][0]
            yield Piece(choice["text"], _logprob(choice), choice["finish_reason"] or "")

    def embed(self, text: str) -> list[float]:
        answer = self._embedder.handle_embeddings({"input": [text], "model": "demo"})
        return [float(value) for value in answer["data"][0]["embedding"]]


def instance_of(schema: Json | None) -> Any:
    """The plainest value that satisfies a JSON schema of the everyday kind."""
    schema = schema or {}
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            return {name: instance_of(inner) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [instance_of(schema.get("items"))]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            return "pod"


def words(text: str) -> list[str]:
    """Words and marks, each with the space before it: joined again they are the text."""
    return re.findall(r"\s*(?:\w+|[^\w\s])", text)


def _top(word: str) -> Json:
    return {"token": word.upper(), "logprob": -1.5}


def _logprob(choice: Json) -> Json | None:
    content = (choice.get("logprobs") or {}).get("content")
    return {name: content[0][name] for name in ("token", "logprob", "bytes")} if content else None


def _llama(context: int, *, embedding: bool) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(DEMO_MODEL)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.verbosity = -1
    params.api_keys = ["nobody calls this port"]
    if embedding:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return xllamacpp.Server(params)


async def _streamed(call: Callable[..., object], wanted: Json) -> AsyncGenerator[Json, None]:
    """A blocking call with a callback as a generator; closing the generator stops the call."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[Json | None] = asyncio.Queue()
    stopped = threading.Event()

    def take(chunk: Json | list[Json]) -> bool:
        for each in chunk if isinstance(chunk, list) else [chunk]:
            loop.call_soon_threadsafe(chunks.put_nowait, each)
        return stopped.is_set()

    def work() -> None:
        try:
            call(wanted, take)
        finally:
            loop.call_soon_threadsafe(chunks.put_nowait, None)

    running = loop.run_in_executor(None, work)
    try:
        while (chunk := await chunks.get()) is not None:
            yield chunk
    finally:
        stopped.set()
        await asyncio.shield(running)
