from typing import Any

import msgspec
import pytest

from app.domain.chat import ChatResult
from app.domain.errors import ContextLengthExceeded, InvalidRequest, UnsupportedFeature
from app.domain.events import Opaque
from app.domain.exchange import Exchange
from app.domain.streams import collect
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.wire import openai_completions
from app.wire.openai_completions.request import decode
from app.wire.openai_completions.stream import StreamDecoder
from tests.integration.integrations.local_models.asking import encoded, events, text

PROMPT = "<|im_start|>user\nWhat is a pod?<|im_end|>\n<|im_start|>assistant\n"


def exchange(**fields: Any) -> Exchange[Any]:
    fields = {"prompt": PROMPT, "temperature": 0, "max_tokens": 20, **fields}
    return encoded(openai_completions.FORMAT, fields, decode)


async def completed(custom: CustomModelsIntegration, **fields: Any) -> ChatResult:
    return await collect(await custom.complete(exchange(**fields)))


async def frames(custom: CustomModelsIntegration, **fields: Any) -> bytes:
    found = await events(await custom.complete(exchange(stream=True, **fields)))
    return b"".join(event.data for event in found if isinstance(event, Opaque))


async def test_whole_and_streamed_texts_are_equal(custom: CustomModelsIntegration) -> None:
    whole = await completed(custom)
    decoder = StreamDecoder()
    pieces = [*decoder.feed(await frames(custom)), *decoder.close()]
    assert "pod" in text(whole).lower()
    assert "".join(getattr(event, "text", "") for event in pieces) == text(whole)


async def test_several_prompts_make_several_choices(custom: CustomModelsIntegration) -> None:
    one = await completed(custom)
    two = await completed(custom, prompt=[PROMPT, PROMPT.replace("pod", "node")])
    assert len(two.choices) == 2
    assert text(two, 0) == text(one)
    assert text(two, 1) != text(one)
    assert one.usage is not None
    assert two.usage is not None
    assert two.usage.input_tokens > one.usage.input_tokens


async def test_token_ids_are_a_prompt_too(custom: CustomModelsIntegration) -> None:
    result = await completed(custom, prompt=[5, 6, 7], max_tokens=2)
    assert result.usage is not None
    assert result.usage.input_tokens == 3


async def test_usage_comes_last_and_only_when_wanted(custom: CustomModelsIntegration) -> None:
    plain = await frames(custom)
    asked = await frames(custom, stream_options={"include_usage": True})
    assert b'"usage"' not in plain
    last = msgspec.json.decode(asked.split(b"\n\n")[-3].removeprefix(b"data: "))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0


async def test_log_probabilities_have_the_shape_of_this_format(custom: CustomModelsIntegration) -> None:
    first = msgspec.json.decode((await frames(custom, logprobs=2)).split(b"\n\n")[0].removeprefix(b"data: "))
    logs = first["choices"][0]["logprobs"]
    assert logs["text_offset"][0] == 0
    assert len(logs["tokens"]) == len(logs["token_logprobs"]) == len(logs["top_logprobs"])
    result = await completed(custom, logprobs=2, max_tokens=4)
    assert len(result.choices[0].logprobs) == 4


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"prompt": "pod " * 3000}, ContextLengthExceeded, "holds 1024 tokens"),
        ({"prompt": []}, InvalidRequest, "must not be empty"),
        ({"prompt": [99_999]}, InvalidRequest, "invalid tokens"),
        ({"prompt": {"a": 1}}, InvalidRequest, "prompt"),
        ({"echo": True}, UnsupportedFeature, "echo"),
    ],
)
async def test_what_cannot_be_completed_is_refused(
    custom: CustomModelsIntegration, fields: dict[str, Any], kind: type[InvalidRequest], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await custom.complete(exchange(**fields))
