"""What answers inside the Gemini fake: words written down beforehand, in the frames that Gemini would send."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.servers.gemini_checks import joined_turns, named
from tests.servers.ollama_engines import instance_of, words

Json = dict[str, Any]

ANSWER = "A pod is one or more containers."
THOUGHT = "**Recalling pods**\n\nPods hold containers."
THOUGHT_TOKENS = 12


@dataclass
class Script:
    """`answer`: said to every prompt. `finish`: why it ends. `ids`: whether calls have ids, as newer models' do.

    Calls every tool that it may, until their results are there. `signatures`: those given out.
    """

    answer: str = ANSWER
    finish: str = "STOP"
    ids: bool = True
    signatures: set[bytes] = field(default_factory=set)

    def frames(self, body: Json, model: str, thinks: bool) -> Iterator[Json]:
        """Of a stream. The last has the reason, each the figures so far."""
        config = body.get("generationConfig", {})
        head = {"modelVersion": f"{model}-001", "responseId": self._response_id(body)}
        figures = {"promptTokenCount": count(body), "totalTokenCount": count(body)}
        if thinks:
            figures["thoughtsTokenCount"] = THOUGHT_TOKENS
        if config.get("thinkingConfig", {}).get("includeThoughts"):
            yield {
                **self._candidates([{"text": THOUGHT, "thought": True}]),
                "usageMetadata": dict(figures),
                **head,
            }
        pieces, finish = self._pieces(body, model)
        for written, parts in enumerate(pieces, start=1):
            figures["candidatesTokenCount"] = written
            figures["totalTokenCount"] = sum(
                figures.get(name, 0) for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
            )
            frame = self._candidates(parts, finish if written == len(pieces) else "", config)
            yield {**frame, "usageMetadata": dict(figures), **head}

    def whole(self, body: Json, model: str, thinks: bool) -> Json:
        frames = list(self.frames(body, model, thinks))
        last = frames[-1]
        for index, candidate in enumerate(last["candidates"]):
            parts = [
                part
                for frame in frames
                for part in frame["candidates"][index % len(frame["candidates"])]
                .get("content", {})
                .get("parts", [])
            ]
            candidate["content"] = {"parts": joined(parts), "role": "model"}
        return last

    def _pieces(self, body: Json, model: str) -> tuple[list[list[Json]], str]:
        """The parts of each frame, and why the last is the last."""
        calls = self._calls(body, model)
        if calls:
            return [calls, [{"text": ""}]], "STOP"
        config = body.get("generationConfig", {})
        schema = config.get("responseJsonSchema")
        texts = words(json.dumps(instance_of(schema)) if schema else self.answer)
        limit = config.get("maxOutputTokens", len(texts))
        if limit < len(texts):
            return [[{"text": text}] for text in texts[:limit]], "MAX_TOKENS"
        return [[{"text": text}] for text in texts], self.finish

    def _calls(self, body: Json, model: str) -> list[Json]:
        calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
        declared = [tool for each in body.get("tools", []) for tool in each.get("functionDeclarations", [])]
        allowed = calling.get("allowedFunctionNames") or [tool["name"] for tool in declared]
        if calling.get("mode") == "NONE" or named(joined_turns(body["contents"])[-1], "functionResponse"):
            return []
        parts: list[Json] = []
        for at, tool in enumerate(tool for tool in declared if tool["name"] in allowed):
            call: Json = {"name": tool["name"], "args": instance_of(tool.get("parametersJsonSchema"))}
            if self.ids:
                call["id"] = f"lx8q24j{at}"
            signed = at == 0 and model.startswith("gemini-3")
            parts.append({"functionCall": call} | ({"thoughtSignature": self._sign()} if signed else {}))
        return parts

    def _sign(self) -> str:
        """Of the characters that base64 has and an id has not, and as long as real ones."""
        signature = bytes([0xFB, 0xFF, len(self.signatures)]) * 300 + b"x"
        self.signatures.add(signature)
        return base64.b64encode(signature).decode()

    def _response_id(self, body: Json) -> str:
        return f"mAitaLmkHPPlz7IPvtfU{len(body['contents'])}"

    def _candidates(self, parts: list[Json], finish: str = "", config: Json | None = None) -> Json:
        config = config or {}
        candidates = []
        for index in range(config.get("candidateCount", 1)):
            candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": index}
            if config.get("responseLogprobs") and "text" in parts[0]:
                token = {"token": parts[0]["text"], "tokenId": 1, "logProbability": -0.25}
                candidate["logprobsResult"] = {"chosenCandidates": [token]}
                if config.get("logprobs"):
                    candidate["logprobsResult"]["topCandidates"] = [{"candidates": [token]}]
            if finish:
                candidate["finishReason"] = finish
            candidates.append(candidate)
        return {"candidates": candidates}


def joined(parts: list[Json]) -> list[Json]:
    """Neighbouring texts of one kind as one part."""
    whole: list[Json] = []
    for part in parts:
        before = whole[-1] if whole else {}
        if "text" in part and "text" in before and part.get("thought") == before.get("thought"):
            before["text"] += part["text"]
        elif part.get("text") != "":
            whole.append(dict(part))
    return whole


def count(body: Json) -> int:
    """A word a token, of all that is sent."""
    contents = [*body["contents"], body.get("systemInstruction", {})]
    texts = [part["text"] for content in contents for part in content.get("parts", []) if "text" in part]
    tools = [tool["name"] for each in body.get("tools", []) for tool in each.get("functionDeclarations", [])]
    return sum(len(words(text)) for text in texts) + len(tools)
