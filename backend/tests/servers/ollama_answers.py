"""How the Ollama fake answers a chat or a prompt: what fits, what is thought, called and said, line by line.

Follows server/routes.go, server/prompt.go and llm/llama_server.go of https://github.com/ollama/ollama (v0.33).
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from tests.servers.ollama_engines import Engine, Piece, instance_of, words
from tests.servers.ollama_models import FakeModel, now

Json = dict[str, Any]
Place = Callable[[Json], Json]

THOUGHT = ("Let me ", "think.")
_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust "
    "the context length in settings, or use a model with a longer context length"
)


class Refused(Exception):
    """An answer of `status` with {"error": text}."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def in_message(body: Json) -> Json:
    """Where /api/chat puts what a line says."""
    return {"message": {"role": "assistant", "content": body.pop("text", ""), **body}}


def in_response(body: Json) -> Json:
    """Where /api/generate puts it."""
    return {"response": body.pop("text", ""), **body}


def render(messages: Sequence[Json], tools: Sequence[Json] = ()) -> str:
    """ChatML, the demo model's template."""
    turns = [f"<|im_start|>{each['role']}\n{each.get('content', '')}<|im_end|>\n" for each in messages]
    offered = [f"<|im_start|>system\nTools: {json.dumps(list(tools))}<|im_end|>\n"] if tools else []
    return "".join([*offered, *turns, "<|im_start|>assistant\n"])


def chat_prompt(engine: Engine, body: Json, num_ctx: int) -> str:
    """Unless told not to, Ollama drops whole messages, oldest first, but the system's and the last one stay."""
    messages, tools = list(body["messages"]), body.get("tools") or ()
    while body.get("truncate") is not False and engine.count(render(messages, tools)) > num_ctx:
        oldest = next((i for i, each in enumerate(messages[:-1]) if each["role"] != "system"), None)
        if oldest is None:
            break
        del messages[oldest]
    return render(messages, tools)


def fit(engine: Engine, prompt: str, body: Json, num_ctx: int) -> str:
    """What is left of a prompt. Raises Refused where the request forbids that anything be cut."""
    count = engine.count(prompt)
    if body.get("truncate") is False:
        if count < num_ctx:
            return prompt
        text = f"request ({count} tokens) exceeds the available context size ({num_ctx} tokens), try increasing it"
        inner = {"code": 400, "message": text, "type": "exceed_context_size_error"}
        raise Refused(400, json.dumps({"error": inner}))
    if count < num_ctx:
        return prompt
    if body.get("shift") is False:
        raise Refused(400, _TOO_LONG)
    while engine.count(prompt) > num_ctx - max((num_ctx - 4) // 2, 1):
        prompt = prompt[len(prompt) // 16 + 1 :]
    return prompt


def newest(prompt: str, num_ctx: int) -> str:
    """What a runner before 0.12.6 keeps of a prompt: its newest tokens, counted as ScriptedEngine does."""
    return "".join(words(prompt)[-num_ctx:])


async def answer(
    engine: Engine, prompt: str, body: Json, *, num_ctx: int, thinks: bool, place: Place
) -> AsyncGenerator[Json, None]:
    """The lines of an answer to a prompt that fits."""
    head = {"model": body["model"]}
    spoken = 0
    reason = "stop"
    count = engine.count(prompt)
    for thought in THOUGHT if thinks else ():
        spoken += 1
        yield {**head, "created_at": now(), **place({"thinking": thought}), "done": False}
    calls = _tool_calls(body)
    if calls:
        yield {**head, "created_at": now(), **place({"tool_calls": calls}), "done": False}
    else:
        async for piece in engine.complete(prompt, body.get("options") or {}, _schema(body)):
            reason = piece.reason or reason
            if piece.text:
                spoken += 1
                yield {
                    **head,
                    "created_at": now(),
                    **place({"text": piece.text}),
                    "done": False,
                    **_logs(body, piece),
                }
            if count + spoken >= num_ctx:
                reason = "length"
                break
    yield {
        **head,
        "created_at": now(),
        **place({}),
        "done": True,
        "done_reason": reason,
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": count,
        "prompt_eval_duration": 2_000_000,
        "eval_count": spoken,
        "eval_duration": 2_000_000,
    }


async def pulling(model: FakeModel | None) -> AsyncGenerator[Json, None]:
    """The lines of a download of `model`, or of what the registry does not have."""
    yield {"status": "pulling manifest"}
    if model is None:
        yield {"error": "pull model manifest: file does not exist"}
        return
    for layer, size in (("a" * 64, model.size), ("b" * 64, 487)):
        step = {"status": f"pulling {layer[:12]}", "digest": f"sha256:{layer}", "total": size}
        yield step
        for part in (2, 1):
            yield {**step, "completed": size // part}
    for status in ("verifying sha256 digest", "writing manifest", "success"):
        yield {"status": status}


async def whole(lines: AsyncGenerator[Json, None]) -> Json:
    """An answer that does not stream, put together as writeChatResponse does."""
    texts: Json = {"content": "", "thinking": "", "response": ""}
    calls: list[Json] = []
    logprobs: list[Json] = []
    last: Json = {}
    async for last in lines:
        part = last.get("message", last)
        for name in texts:
            texts[name] += part.get(name, "")
        calls += part.get("tool_calls", [])
        logprobs += last.get("logprobs", [])
    part = last.get("message", last)
    part["content" if "message" in last else "response"] = texts["content"] or texts["response"]
    for name, value in (("thinking", texts["thinking"]), ("tool_calls", calls)):
        if value:
            part[name] = value
    return {**last, **({"logprobs": logprobs} if logprobs else {})}


def _schema(body: Json) -> Json | None:
    match body.get("format"):
        case "json":
            return {"type": "object"}
        case dict() as schema:
            return schema
        case _:
            return None


def _tool_calls(body: Json) -> list[Json]:
    """Each tool is called once, until a result is there."""
    tools = body.get("tools") or ()
    if not tools or body["messages"][-1]["role"] == "tool":
        return []
    return [
        {
            "id": f"call_fake{index:04}",
            "function": {
                "index": index,
                "name": tool["function"]["name"],
                "arguments": instance_of(tool["function"]["parameters"]),
            },
        }
        for index, tool in enumerate(tools)
    ]


def _logs(body: Json, piece: Piece) -> Json:
    if not body.get("logprobs") or piece.logprob is None:
        return {}
    told = dict(piece.logprob)
    if not body.get("top_logprobs"):
        told.pop("top_logprobs", None)
    return {"logprobs": [told]}
