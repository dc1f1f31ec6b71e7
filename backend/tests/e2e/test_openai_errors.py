"""What goes wrong, as the official client's own classes of errors."""

import reprlib

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.e2e.features import MESSAGES
from tests.servers.platform_process import PlatformProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = [{"role": "user", "content": "pod " * 5000}]
CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("asked", "error", "status", "code", "param"),
    [
        ({"model": "nobody"}, openai.NotFoundError, 404, "model_not_found", "model"),
        ({"model": "nobody/here"}, openai.NotFoundError, 404, "model_not_found", "model"),
        ({"model": "demo", "temperature": "hot"}, openai.BadRequestError, 400, None, "temperature"),
        ({"model": "demo", "messages": "hi"}, openai.BadRequestError, 400, None, "messages"),
        ({"model": "down/away"}, openai.APIStatusError, 503, None, None),
        *(
            ({"model": model, "messages": LONG}, openai.BadRequestError, 400, "context_length_exceeded", None)
            for model in CHATTING
        ),
    ],
    ids=reprlib.repr,
)
async def test_an_error_by_class(
    client: AsyncOpenAI,
    asked: dict[str, object],
    error: type[openai.APIStatusError],
    status: int,
    code: str | None,
    param: str | None,
    stream: bool,
) -> None:
    question = {"messages": MESSAGES, **asked, "stream": stream}
    with pytest.raises(error) as caught:
        await client.chat.completions.create(**question)  # type: ignore[call-overload]
    assert caught.value.status_code == status
    assert code is None or caught.value.code == code
    assert param is None or caught.value.param == param
    assert caught.value.type == ("invalid_request_error" if status < 500 else "server_error")
    assert caught.value.response.headers["x-request-id"]


async def test_a_prompt_too_long_is_told_with_its_length_and_the_context(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"about 5004 tokens and the largest context .* is 1024\."):
        await client.chat.completions.create(model="demo", messages=LONG)  # type: ignore[arg-type]


async def test_an_upstream_that_is_down_is_named_and_says_when_to_come_back(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="'down'") as caught:
        await client.chat.completions.create(model="down/away", messages=MESSAGES)
    assert caught.value.status_code == 503
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("key", ["wrong", "master-key-and-more", "master-ke"])
async def test_a_wrong_key(platform: PlatformProcess, key: str) -> None:
    async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=key, max_retries=0) as stranger:
        for question in (
            lambda: stranger.models.list(),
            lambda: stranger.models.retrieve("demo"),
            lambda: stranger.chat.completions.create(model="demo", messages=MESSAGES),
            lambda: stranger.chat.completions.create(model="demo", messages=MESSAGES, stream=True),
            lambda: stranger.embeddings.create(model="demo", input="pod"),
        ):
            with pytest.raises(openai.AuthenticationError) as caught:
                await question()
            assert caught.value.code == "invalid_api_key"


async def test_the_client_that_is_not_async_sees_the_same(plain_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        plain_client.chat.completions.create(model="nobody", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


async def test_what_a_model_can_not_do(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="ollama/embed", messages=MESSAGES)
