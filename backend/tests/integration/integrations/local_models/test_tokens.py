"""Texts into tokens and back by the demo model itself, over a socket that is there as long as the model is."""

import os
import socket
import stat
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.errors import InvalidRequest, ModelNotFound, PayloadTooLarge, UnsupportedFeature
from app.domain.tokens import Tokenizer
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from app.integrations.model_platforms.local_models.runtime import ServerSpec, open_server
from app.integrations.model_platforms.local_models.side_door import SideDoor
from tests.integration.integrations.local_models.asking import answered, asked, chat_exchange, custom_models

TEXTS = [
    "",
    "pod",
    "<|im_start|>user\nGröße 🐳 ünï\n<|im_end|>",
    "日本語\t\u0000 \\u0041 \"quoted\" '{}'",
    "pod " * 5000,
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("special", [True, False])
async def test_what_goes_in_comes_back(custom: CustomModelsIntegration, text: str, special: bool) -> None:
    plain = await custom.tokenize("demo", text, special=special, pieces=False)
    told = await custom.tokenize("demo", text, special=special, pieces=True)
    assert (told.ids, plain.pieces) == (plain.ids, None)
    assert await custom.detokenize("demo", told.ids) == text
    assert told.pieces is not None
    assert len(told.pieces) == len(told.ids)
    if text.isascii():
        assert "".join(told.pieces) == text


async def test_a_special_token_is_one_token_and_half_a_character_its_bytes(
    custom: CustomModelsIntegration,
) -> None:
    told = await custom.tokenize("demo", "<|im_start|>", special=False, pieces=True)
    assert told.pieces == ["<|im_start|>"]
    told = await custom.tokenize("demo", "🐳", special=False, pieces=True)
    assert told.pieces is not None
    assert "".join(told.pieces) == "\\xf0\\x9f\\x90\\xb3"
    assert await custom.detokenize("demo", told.ids[:1]) == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "fields",
    [
        asked(),
        asked("Größe 🐳 " * 60),
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "The"}]},
        asked(tools=[{"type": "function", "function": {"name": "get_pods", "parameters": {"type": "object"}}}]),
    ],
    ids=["short", "long", "begun", "tools"],
)
async def test_a_chat_has_the_tokens_that_an_answer_reports(
    custom: CustomModelsIntegration, fields: dict[str, Any]
) -> None:
    told = await custom.tokenize_chat(chat_exchange(fields), pieces=False)
    assert len(told.ids) == await custom.count_tokens(chat_exchange(fields))
    usage = (await answered(custom, {**fields, "max_tokens": 1})).usage
    assert usage is not None
    assert len(told.ids) == usage.input_tokens


async def test_who_cannot_be_answered_is_told_why(custom: CustomModelsIntegration) -> None:
    assert isinstance(custom, Tokenizer)
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    with pytest.raises(UnsupportedFeature):
        await custom.tokenize_chat(chat_exchange({"messages": picture}), pieces=False)
    with pytest.raises(PayloadTooLarge):
        await custom.tokenize("demo", "ä" * (1 << 19) + "a", special=True, pieces=False)
    with pytest.raises(InvalidRequest, match="messages"):
        await custom.tokenize_chat(chat_exchange({"messages": "hi"}), pieces=False)
    with pytest.raises(InvalidRequest, match="no token") as caught:
        await custom.detokenize("demo", [1, 2**31 - 1])
    assert caught.value.param == "tokens"
    with pytest.raises(ModelNotFound):
        await custom.tokenize("none", "hi", special=True, pieces=False)
    with pytest.raises(ModelNotFound):
        await custom.detokenize("none", [1])


async def test_it_takes_no_slot_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with custom_models(slots=1) as custom:
        await custom.load("demo")
        [folder] = tmp_path.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        stream = await custom.chat(chat_exchange(asked(max_tokens=900, stream=True, ignore_eos=True)))
        assert (await custom.tokenize("demo", "pod", special=True, pieces=False)).ids
        assert custom._residency.running()
        await stream.aclose()
        await custom.unload("demo")
        assert os.listdir(tmp_path) == []
        # It comes back when it is asked.
        assert await custom.detokenize("demo", [41]) == "G"
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def door() -> Iterator[SideDoor]:
    spec = ServerSpec(
        files=(DEMO_PATH,), alias="demo", mode="generation", context=512, slots=1, threads=1, gpu_layers=0
    )
    server, door = open_server(spec)
    yield door
    door.close()
    del server


def refused(door: SideDoor, path: str, method: str = "POST", key: str = "") -> int:
    """The status of an answer to somebody with another key."""
    assert door.socket_path is not None
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(door.socket_path)
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n"
        peer.sendall(f"{head}Authorization: Bearer {key}\r\n\r\n{{}}".encode())
        return int(peer.recv(12).split()[1])


@pytest.mark.parametrize(
    "path", ["/tokenize", "/detokenize", "/apply-template", "/completion", "/props", "/metrics"]
)
def test_without_the_key_nothing_is_told(door: SideDoor, path: str) -> None:
    assert refused(door, path) == refused(door, path, key="0" * 64) == 401
    assert refused(door, path, "GET") == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/slots"),
        ("GET", "/tools"),
        ("POST", "/tools"),
        ("GET", "/cors-proxy"),
        ("POST", "/props"),
        ("POST", "/slots/0?action=save"),
        ("POST", "/slots/0?action=restore"),
        ("POST", "/models/load"),
        ("POST", "/models/unload"),
    ],
)
def test_with_the_key_there_is_nothing_but_asking(door: SideDoor, method: str, path: str) -> None:
    assert refused(door, path, method, door.key) in {403, 404, 501}


def test_a_door_that_is_shut() -> None:
    door = SideDoor()
    assert door.socket_path is not None
    door.close()
    door.close()
    assert not Path(door.socket_path).parent.exists()
    with pytest.raises((OSError, HTTPException)):
        door.ask("/tokenize", msgspec.json.encode({"content": "hi"}))


def test_where_there_are_no_such_sockets_it_is_a_port_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    server, door = open_server(
        ServerSpec(
            files=(DEMO_PATH,), alias="demo", mode="generation", context=512, slots=1, threads=1, gpu_layers=0
        )
    )
    assert (door.socket_path, door.port > 0) == (None, True)
    assert msgspec.json.decode(door.ask("/tokenize", b'{"content":"G"}')) == {"tokens": [41]}
    door.key = "another"
    assert b"Invalid API Key" in door.ask("/tokenize", b'{"content":"G"}')
    del server
