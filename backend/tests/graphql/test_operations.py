"""Queries and mutations over HTTP."""

from app.domain.chat import ToolCall
from app.domain.events import (
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    ToolCallDelta,
    ToolCallStarted,
)
from app.testing.providers import ScriptedProvider
from tests.graphql.gateway import ANSWER, gateway
from tests.servers.routing import PRICED

GENERATE = """
mutation GenerateText($model: String!, $prompt: String!) {
  generateText(model: $model, prompt: $prompt) {
    id
    text
    tokens
    cost
  }
}
"""


async def test_the_query_for_models_of_the_guide() -> None:
    async with gateway() as platform:
        found = await platform.data("query GetModels { models { id name provider status capabilities } }")
        assert found == {
            "models": [
                {
                    "id": "model",
                    "name": "model",
                    "provider": "scripted",
                    "status": "AVAILABLE",
                    "capabilities": ["chat"],
                }
            ]
        }


async def test_a_model_by_any_of_its_names_and_null_for_none() -> None:
    async with gateway() as platform:
        query = "query($id: ID!) { model(id: $id) { id name contextWindow providers } }"
        found = await platform.data(query, {"id": "scripted/model"})
        assert found["model"] == {
            "id": "scripted/model", "name": "model", "contextWindow": None, "providers": ["scripted"],
        }  # fmt: skip
        assert await platform.data(query, {"id": "nobody"}) == {"model": None}


async def test_the_mutation_of_the_guide() -> None:
    async with gateway() as platform:
        found = await platform.data(GENERATE, {"model": "model", "prompt": "hi"})
        assert found == {"generateText": {"id": "gen-1", "text": "Hello", "tokens": 5, "cost": None}}
        request = platform.provider.exchanges[0].request
        assert [(each.role, each.content[0].text) for each in request.messages] == [("user", "hi")]
        assert platform.provider.closed == 1


async def test_what_an_answer_cost() -> None:
    async with gateway() as platform:
        platform.context.router.catalog.rebuild(PRICED)
        found = await platform.data(GENERATE, {"model": "model", "prompt": "hi"})
        assert found["generateText"]["cost"] == 203e-6
        assert await platform.data("{ requests { cost } }") == {"requests": [{"cost": 203e-6}]}


async def test_why_a_request_went_where_it_went() -> None:
    async with gateway() as platform:
        query = (
            "query($id: ID!) { explain(id: $id) { model meant policy { strategy } candidates { target score } "
            "attempts { target result dropped } status usage { totalTokens } } }"
        )
        assert await platform.data(query, {"id": "unknown"}) == {"explain": None}
        await platform.data(GENERATE, {"model": "model", "prompt": "hi"})
        (made,) = (await platform.data("{ requests { id } }"))["requests"]
        assert (await platform.data(query, made))["explain"] == {
            "model": "model",
            "meant": "a model by its own name",
            "policy": {"strategy": "weighted"},
            "candidates": [{"target": "scripted/model", "score": None}],
            "attempts": [{"target": "scripted/model", "result": "answered", "dropped": []}],
            "status": "ok",
            "usage": {"totalTokens": 5},
        }


async def test_everything_that_an_answer_may_hold() -> None:
    script = (
        Started(id="gen-2", model="model-v2", created=1),
        ReasoningDelta(text="Let me "),
        ReasoningDelta(text="think."),
        RefusalDelta(text="No."),
        ToolCallStarted(index=0, id="call-1", name="weather"),
        ToolCallDelta(index=0, arguments='{"city":'),
        ToolCallDelta(index=0, arguments='"Bonn"}'),
        Finished(reason="tool_calls"),
    )
    async with gateway(ScriptedProvider(script)) as platform:
        found = await platform.data(
            'mutation { generateText(model: "model", prompt: "hi") { model text reasoning refusal tokens '
            "finishReason toolCalls { id name arguments } usage { inputTokens } } }"
        )
        assert found["generateText"] == {
            "model": "model-v2",
            "text": "",
            "reasoning": "Let me think.",
            "refusal": "No.",
            "tokens": None,
            "finishReason": "TOOL_CALLS",
            "toolCalls": [{"id": "call-1", "name": "weather", "arguments": '{"city":"Bonn"}'}],
            "usage": None,
        }


async def test_every_input_reaches_the_provider() -> None:
    conversation = [
        {"role": "DEVELOPER", "content": "Be brief."},
        {"role": "USER", "content": "See:", "images": [{"url": "https://example.org/a.png"}], "name": "Ada"},
        {"role": "ASSISTANT", "toolCalls": [{"id": "c1", "name": "look", "arguments": "{}"}]},
        {"role": "TOOL", "toolCallId": "c1", "content": "a cat"},
    ]
    options = {
        "temperature": 0.5, "topP": 0.9, "topK": 40, "seed": 2**40, "stop": ["END"], "maxOutputTokens": 10,
        "presencePenalty": 0.1, "frequencyPenalty": 0.2, "parallelToolCalls": False, "reasoningEffort": "low",
        "tools": [{"name": "look", "parameters": {"type": "object"}}], "toolName": "look", "user": "u",
        "responseFormat": {"schema": {"type": "object"}, "strict": True},
    }  # fmt: skip
    async with gateway() as platform:
        await platform.data(
            "mutation($messages: [MessageInput!], $options: GenerationOptions) { generateText("
            'model: "model", system: "You see.", messages: $messages, options: $options) { id } }',
            {"messages": conversation, "options": options},
        )
        request = platform.provider.exchanges[0].request
        assert [each.role for each in request.messages] == ["system", "developer", "user", "assistant", "tool"]
        assert request.messages[2].content[1].url == "https://example.org/a.png"
        assert request.messages[2].name == "Ada"
        assert request.messages[3].content == (ToolCall(id="c1", name="look", arguments="{}"),)
        assert request.messages[4].content[0].call_id == "c1"
        sampling = request.sampling
        assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.5, 0.9, 40)
        assert (sampling.seed, sampling.stop, sampling.max_output_tokens) == (2**40, ("END",), 10)
        assert (sampling.presence_penalty, sampling.frequency_penalty) == (0.1, 0.2)
        assert (request.parallel_tool_calls, request.reasoning_effort, request.user) == (False, "low", "u")
        assert (request.tools[0].name, request.tool_choice.mode, request.tool_choice.name) == (
            "look",
            "named",
            "look",
        )
        assert (request.response_format.kind, request.response_format.strict) == ("json_schema", True)


async def test_several_calls_of_one_document_have_ids_of_their_own() -> None:
    async with gateway() as platform:
        text = 'generateText(model: "model", prompt: "hi") { id }'
        reply = await platform.ask(f"mutation {{ a: {text} b: {text} }}", headers={"x-request-id": "mine"})
        assert reply.headers["x-request-id"] == "mine"
        assert [each.request_id for each in platform.provider.exchanges] == ["mine", "mine-2"]
        assert platform.provider.closed == 2


async def test_the_last_requests_and_the_figures() -> None:
    async with gateway(ScriptedProvider(ANSWER)) as platform:
        await platform.data(GENERATE, {"model": "model", "prompt": "hi"})
        await platform.ask(GENERATE, {"model": "nobody", "prompt": "hi"})
        found = await platform.data(
            "{ requests(last: 5) { model status provider startedAt durationMs tokens frontEnd attempts } "
            "metrics { active total { requests errors inputTokens } models { model requests outputTokens } } }"
        )
        second, first = found["requests"]
        assert (first["model"], first["status"], first["provider"], first["tokens"]) == (
            "model",
            "ok",
            "scripted",
            5,
        )
        assert (second["model"], second["status"], second["provider"]) == ("nobody", "not_found", None)
        assert first["frontEnd"] == "graphql"
        assert first["startedAt"] <= second["startedAt"]
        assert found["metrics"]["active"] == 0
        assert found["metrics"]["total"] == {"requests": 2, "errors": 1, "inputTokens": 3}
        assert {"model": "model", "requests": 1, "outputTokens": 2} in found["metrics"]["models"]
        assert len((await platform.data("{ requests(last: 1) { id } }"))["requests"]) == 1


async def test_integrations_and_how_they_hang_together() -> None:
    async with gateway() as platform:
        found = await platform.data(
            "{ integrations { name type state reason since lastCheck { ok } dependencies { name state dependents "
            '{ name } } dependents { name } } integration(name: "shelf") { kind } none: integration(name: "x") '
            "{ kind } }"
        )
        by_name = {each["name"]: each for each in found["integrations"]}
        assert sorted(by_name) == ["graphql", "ground", "shelf"]
        assert by_name["shelf"]["dependencies"] == [
            {"name": "ground", "state": "READY", "dependents": [{"name": "shelf"}]}
        ]
        assert by_name["ground"]["dependents"] == [{"name": "shelf"}]
        assert (by_name["graphql"]["type"], by_name["graphql"]["state"]) == ("API_COMPATIBILITY", "READY")
        assert by_name["graphql"]["since"].endswith("+00:00")
        assert (found["integration"], found["none"]) == ({"kind": "shelf"}, None)


async def test_models_are_loaded_and_let_go() -> None:
    async with gateway() as platform:
        shelf = platform.context.manager.get_integration("shelf")
        found = await platform.data('mutation { loadModel(id: "shelf/shelved") { id status } }')
        assert found == {"loadModel": {"id": "shelf/shelved", "status": "LOADED"}}
        assert shelf.loaded is True  # type: ignore[attr-defined]
        found = await platform.data('mutation { unloadModel(id: "shelf/shelved") { id status } }')
        assert found == {"unloadModel": {"id": "shelf/shelved", "status": "UNLOADED"}}
        assert shelf.loaded is False  # type: ignore[attr-defined]
