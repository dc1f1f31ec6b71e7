"""The bounds of a kept conversation."""

import msgspec

from app.api.websocket.history import Conversation, Kept
from app.domain.events import Started, TextDelta

USER = {"role": "user", "content": "q"}
SYSTEM = {"role": "system", "content": "s"}


def take_turn(conversation: Conversation, *messages: dict[str, str], answer: str = "a") -> Kept | None:
    turn = conversation.begin(messages)
    turn.add(Started(id="1", model="m", created=0))
    turn.add(TextDelta(text=answer))
    return turn.keep()


def roles(conversation: Conversation) -> list[str]:
    return [msgspec.json.decode(message)["role"] for message in conversation.messages()]


def test_the_oldest_turn_goes_first_and_whole() -> None:
    conversation = Conversation(most_messages=5)
    assert take_turn(conversation, SYSTEM, {"role": "user", "content": "first"}) == Kept(3, 0)
    assert take_turn(conversation, USER) == Kept(5, 0)
    assert take_turn(conversation, USER) == Kept(5, 2)
    assert roles(conversation) == ["system", "user", "assistant", "user", "assistant"]
    assert b"first" not in b"".join(conversation.messages())


def test_a_tools_result_never_stands_without_its_call() -> None:
    conversation = Conversation(most_messages=4)
    take_turn(conversation, USER)
    take_turn(conversation, {"role": "tool", "content": "42"})
    assert take_turn(conversation, USER) == Kept(2, 4)
    assert roles(conversation) == ["user", "assistant"]


def test_bytes_are_bounded_too() -> None:
    conversation = Conversation(most_bytes=200)
    for _ in range(10):
        take_turn(conversation, USER, answer="x" * 40)
        assert sum(map(len, conversation.messages())) <= 200
    assert take_turn(conversation, USER, answer="x" * 180) == Kept(0, 4)


def test_instructions_alone_can_be_too_much() -> None:
    conversation = Conversation(most_bytes=100)
    kept = take_turn(conversation, {"role": "system", "content": "s" * 90}, USER)
    assert kept == Kept(0, 3)
