"""The Gemini fake against the official SDK: what the SDK understands, the fake says as Google does."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.servers.gemini_answers import ANSWER, THOUGHT, THOUGHT_TOKENS
from tests.servers.gemini_fake import KEY, Fault, GeminiFake

MODEL = "gemini-3.5-flash"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA),
        types.FunctionDeclaration(name="now"),
    ]
)


def config(**fields: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), **fields
    )


@pytest.fixture
async def client(fake: GeminiFake) -> AsyncIterator[genai.client.AsyncClient]:
    async with httpx.AsyncClient() as http:
        options = types.HttpOptions(
            base_url=fake.base_url,
            httpx_async_client=http,
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        with genai.Client(api_key=KEY, http_options=options) as client:
            yield client.aio


async def test_chat(client: Any) -> None:
    answer = await client.models.generate_content(
        model=MODEL, contents="What is a pod?", config=config(system_instruction="Be brief.")
    )
    assert answer.text == ANSWER
    assert answer.candidates[0].finish_reason is types.FinishReason.STOP
    figures = answer.usage_metadata
    assert figures.total_token_count == (
        figures.prompt_token_count + figures.candidates_token_count + figures.thoughts_token_count
    )
    assert answer.response_id


async def test_chat_streams(client: Any) -> None:
    stream = await client.models.generate_content_stream(model=MODEL, contents="What is a pod?")
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.text for chunk in chunks) == ANSWER
    assert [bool(chunk.candidates[0].finish_reason) for chunk in chunks] == [False] * 7 + [True]
    assert chunks[-1].usage_metadata.candidates_token_count == 8


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_are_signed_and_taken_back(client: Any, fake: GeminiFake, stream: bool) -> None:
    chat = client.chats.create(model=MODEL, config=config(tools=[TOOLS]))
    if stream:
        parts = [
            part
            async for chunk in await chat.send_message_stream("Weather?")
            for part in chunk.candidates[0].content.parts
            if part.function_call
        ]
    else:
        parts = (await chat.send_message("Weather?")).candidates[0].content.parts
    assert [part.function_call.name for part in parts] == ["weather", "now"]
    assert parts[0].function_call.args == {"city": "pod"}
    assert [bool(part.thought_signature) for part in parts] == [True, False]
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id, name=part.function_call.name, response={"output": "fine"}
            )
        )
        for part in parts
    ]
    assert (await chat.send_message(results)).text == ANSWER
    assert fake.script.signatures == {parts[0].thought_signature}


async def test_thoughts(client: Any) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW)
    answer = await client.models.generate_content(
        model=MODEL, contents="Pods?", config=config(thinking_config=thinking)
    )
    thought, said = answer.candidates[0].content.parts
    assert (thought.thought, thought.text, said.text) == (True, THOUGHT, ANSWER)
    assert answer.usage_metadata.thoughts_token_count == THOUGHT_TOKENS


async def test_a_schema_candidates_and_log_probabilities(client: Any) -> None:
    answer = await client.models.generate_content(
        model=MODEL,
        contents="Pods?",
        config=config(response_mime_type="application/json", response_json_schema=SCHEMA, candidate_count=2),
    )
    assert [each.content.parts[0].text for each in answer.candidates] == ['{"city": "pod"}'] * 2
    answer = await client.models.generate_content(
        model=MODEL, contents="Pods?", config=config(response_logprobs=True, logprobs=1, max_output_tokens=2)
    )
    assert answer.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    result = answer.candidates[0].logprobs_result
    assert result.chosen_candidates[0].log_probability == -0.25
    assert len(result.top_candidates) == len(result.chosen_candidates)


async def test_a_blocked_prompt(client: Any, fake: GeminiFake) -> None:
    fake.blocked = "PROHIBITED_CONTENT"
    answer = await client.models.generate_content(model=MODEL, contents="Pods?")
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT


async def test_counting_and_embedding(client: Any) -> None:
    assert (await client.models.count_tokens(model=MODEL, contents="one two three")).total_tokens == 3
    answer = await client.models.embed_content(
        model="gemini-embedding-001",
        contents=["one", "two words"],
        config=types.EmbedContentConfig(output_dimensionality=2),
    )
    assert [each.values for each in answer.embeddings] == [[1.0, 2.0], [2.0, 3.0]]


async def test_the_list_has_pages(client: Any, fake: GeminiFake) -> None:
    pager = await client.models.list(config={"page_size": 2})
    models = {model.name: model async for model in pager}
    assert list(models) == [f"models/{model.id}" for model in fake.models]
    flash = models["models/gemini-3.5-flash"]
    assert (flash.thinking, flash.input_token_limit, flash.output_token_limit) == (True, 1_048_576, 65_536)
    assert "generateContent" in flash.supported_actions
    assert (await client.models.get(model=MODEL)).name == f"models/{MODEL}"


def call(signature: str = "") -> dict[str, Any]:
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": {"id": "1", "name": "now", "args": {}}, **signed}


DUMMY = call("skip_thought_signature_validator")
RESULT = {"functionResponse": {"id": "1", "name": "now", "response": {}}}
USER = {"role": "user", "parts": [{"text": "Now?"}]}


def turns(*parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [USER, *({"role": "user" if at % 2 else "model", "parts": each} for at, each in enumerate(parts))]


@pytest.mark.parametrize(
    ("model", "body", "code", "words"),
    [
        ("none", {"contents": [USER]}, 404, "is not found for API version v1beta"),
        ("gemini-embedding-001", {"contents": [USER]}, 404, "is not supported for generateContent"),
        (MODEL, {}, 400, "contents is not specified"),
        (MODEL, {"contents": [USER], "temperature": 1}, 400, 'Unknown name "temperature"'),
        (MODEL, {"contents": [USER], "generationConfig": {"logit_bias": {}}}, 400, "Invalid JSON payload"),
        (MODEL, {"contents": turns([call()], [RESULT])}, 400, "missing a thought_signature"),
        (MODEL, {"contents": turns([call("AAAA")], [RESULT])}, 400, "Corrupted thought signature"),
        (MODEL, {"contents": turns([call("A!")], [RESULT])}, 400, "thoughtSignature"),
        (MODEL, {"contents": turns([DUMMY, call()], [RESULT])}, 400, "equal to the number of function call parts"),
        (MODEL, {"contents": turns([DUMMY])}, 400, "end with a user role"),
        (
            "gemini-2.0-flash",
            {"contents": [USER], "generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
            400,
            "Thinking is not enabled",
        ),
        (
            "gemini-2.5-pro",
            {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}},
            400,
            "Thinking level is not supported",
        ),
        (
            "gemini-2.5-pro",
            {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
            400,
            "budget 0 is invalid",
        ),
    ],
)
async def test_refusals(fake: GeminiFake, model: str, body: dict[str, Any], code: int, words: str) -> None:
    async with httpx.AsyncClient(base_url=fake.base_url, headers={"x-goog-api-key": KEY}) as http:
        answer = await http.post(f"/v1beta/models/{model}:generateContent", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (code, code)
    assert words in error["message"]


async def test_keys(fake: GeminiFake) -> None:
    async with httpx.AsyncClient(base_url=fake.base_url) as http:
        none = (await http.get("/v1beta/models")).json()["error"]
        wrong = (await http.get("/v1beta/models", headers={"x-goog-api-key": "wrong"})).json()["error"]
    assert (none["code"], none["status"]) == (403, "PERMISSION_DENIED")
    assert (wrong["code"], wrong["details"][0]["reason"]) == (400, "API_KEY_INVALID")


@pytest.mark.parametrize("how", ["frame", "bare"])
async def test_an_error_within_a_stream(client: Any, fake: GeminiFake, how: Any) -> None:
    fake.faults["streamGenerateContent"] = Fault(after=2, how=how)
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in await client.models.generate_content_stream(model=MODEL, contents="Pods?"):
            heard.append(chunk.text)

    with pytest.raises(errors.ServerError) as caught:
        await listen()
    assert (caught.value.code, heard) == (503, ["A", " pod"])
