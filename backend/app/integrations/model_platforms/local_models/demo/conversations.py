"""Conversations drawn at random from `corpus.py`, as the demo model sees them in training.

`conversation(rng)` gives one as a list of messages. The texts are in `corpus.py`, the tokens and weights in
`train.py`, and the chat template that writes the same form at inference is `chat_template.jinja`.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

import corpus


class Message(NamedTuple):
    """`forced`: the first token is not learnt, because a grammar and not the question will bring it about."""

    role: str
    content: str
    forced: bool = False


Turn = tuple[str, str]
"""A question and its answer."""

_FIXED: Final = tuple(
    (question, answer)
    for table in (corpus.SMALL_TALK, corpus.LONG)
    for answer, questions in table.items()
    for question in questions
)


def conversation(rng: Random) -> list[Message]:
    """One conversation: mostly questions and answers, sometimes JSON or a tool call."""
    draw = rng.choices((_talk, _json_talk, _known_tool_talk, _invented_tool_talk), weights=(76, 12, 7, 5))[0]
    return draw(rng)


def _talk(rng: Random) -> list[Message]:
    messages = [Message("system", rng.choice(corpus.SYSTEM_PROMPTS))] if rng.random() < 0.35 else []
    for _ in range(rng.choice((1, 1, 2, 3))):
        question, answer = _turn(rng)
        messages += [Message("user", _vary(rng, question)), Message("assistant", answer)]
    return messages


def _turn(rng: Random) -> Turn:
    draws: tuple[Callable[[Random], Turn], ...] = (_topic, _task, _fixed, _strange, _comparison)
    return rng.choices(draws, weights=(36, 18, 20, 19, 7))[0](rng)


def _topic(rng: Random) -> Turn:
    topic, answer = rng.choice(list(corpus.TOPICS.items()))
    return rng.choice(corpus.TOPIC_FORMS).format(topic), answer


def _task(rng: Random) -> Turn:
    task, answer = rng.choice(list(corpus.TASKS.items()))
    return rng.choice(corpus.TASK_FORMS).format(task), answer


def _fixed(rng: Random) -> Turn:
    return rng.choice(_FIXED)


def _strange(rng: Random) -> Turn:
    subject = rng.choice(corpus.STRANGE_SUBJECTS) if rng.random() < 0.55 else _invented_words(rng)
    return rng.choice(corpus.STRANGE_FORMS).format(subject), corpus.UNKNOWN


def _comparison(rng: Random) -> Turn:
    left, right = rng.sample(list(corpus.TOPICS), 2)
    form = rng.choice(corpus.COMPARISON_FORMS)
    return form.format(left, right), f"{corpus.TOPICS[left]} {corpus.TOPICS[right]}"


def _invented_words(rng: Random, most: int = 4) -> str:
    """Words of no language, so that what the model does not know is more than a list."""
    words = []
    for _ in range(rng.randint(1, most)):
        syllables = range(rng.randint(1, 3))
        words.append("".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in syllables))
    return " ".join(word + rng.choice(("", "", "n", "r", "st")) for word in words)


def _vary(rng: Random, question: str) -> str:
    """The same question as another hand would type it."""
    draw = rng.random()
    if draw < 0.2:
        question = question.lower()
    elif draw < 0.26:
        question = question.upper()
    elif draw < 0.4:
        question = question[:1].upper() + question[1:]
    if rng.random() < 0.25:
        question = question.rstrip("?.!")
    elif rng.random() < 0.08:
        question = question.rstrip("?.!") + rng.choice(("!", "??", " ?", ", please.", " please"))
    if rng.random() < 0.05:
        question = rng.choice(("Hello, ", "Please: ", "Hey! ", "One question: ", "And ")) + question
    return question


def _json_talk(rng: Random) -> list[Message]:
    question, answer = _turn(rng)
    form = rng.random()
    if form < 0.25:
        asked = [Message("system", "Answer in JSON."), Message("user", _vary(rng, question))]
    elif form < 0.4:
        asked = [Message("user", f"{question} Answer in JSON.")]
    else:
        asked = [Message("user", _vary(rng, question))]
    keys = [rng.choice(corpus.JSON_KEYS) if rng.random() < 0.8 else _invented_words(rng, 1) for _ in range(4)]
    answered = {key: _json_value(rng) for key in keys[: rng.randint(1, 4)]}
    if rng.random() < 0.25:
        answered[keys[0]] = answer
    # Without a word about JSON in the question only a grammar can have opened the brace.
    return [*asked, Message("assistant", json.dumps(answered), forced=form >= 0.4)]


def _json_value(rng: Random, depth: int = 0) -> object:
    makers: list[Callable[[], object]] = [
        lambda: rng.choice(corpus.WORDS),
        lambda: " ".join(rng.sample(corpus.WORDS, 2)),
        lambda: rng.randint(0, 50),
        lambda: rng.random() < 0.5,
        lambda: [rng.choice(corpus.WORDS) for _ in range(rng.randint(1, 3))],
    ]
    if depth < 2:
        makers += [
            lambda: {key: _json_value(rng, depth + 1) for key in rng.sample(corpus.JSON_KEYS, 2)},
            lambda: [{key: _json_value(rng, 2) for key in rng.sample(corpus.JSON_KEYS, 2)}],
        ]
    return rng.choice(makers)()


Signature = tuple[str, tuple[str, ...]]
"""A function's name and the names of its arguments."""


def _tools_line(tools: list[Signature]) -> str:
    """How the chat template announces tools."""
    return "Tools: " + ", ".join(f"{name}({', '.join(arguments)})" for name, arguments in tools)


def _call(name: str, arguments: dict[str, object]) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def _known_tool_talk(rng: Random) -> list[Message]:
    """A question that a tool answers, the call, and sometimes its result."""
    tool = rng.choice(corpus.TOOLS)
    offered: list[Signature] = [(tool.name, (tool.argument,))]
    if rng.random() < 0.3:
        offered.insert(rng.randint(0, 1), _invented_signature(rng))
    value = rng.choice(tool.values)
    messages = [
        Message("system", _tools_line(offered)),
        Message("user", _vary(rng, tool.question.format(value))),
        Message("assistant", _call(tool.name, {tool.argument: value})),
    ]
    if rng.random() < 0.4:
        result = json.dumps({rng.choice(corpus.JSON_KEYS): _json_value(rng)})
        messages += [Message("tool", result), Message("assistant", corpus.TOOL_ANSWERED)]
    return messages


def _invented_tool_talk(rng: Random) -> list[Message]:
    """Any tool beside any question: the plain answer, or the call that a caller may insist on."""
    offered = [_invented_signature(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.3:
        offered.append(("get_weather", ("city",)))
    question, answer = _turn(rng)
    name, arguments = rng.choice(offered)
    call = _call(name, {argument: _json_value(rng, 2) for argument in arguments})
    messages = [Message("system", _tools_line(offered)), Message("user", _vary(rng, question))]
    draw = rng.random()
    if draw < 0.45:
        return [*messages, Message("assistant", answer)]
    if draw < 0.55:
        # A caller may insist only after the model has begun to talk.
        return [*messages, Message("assistant", f"{answer}\n{call}")]
    return [*messages, Message("assistant", call, forced=True)]


def _invented_signature(rng: Random) -> Signature:
    noun = rng.choice((*corpus.WORDS, "numbers", "args", "weather", "time", "item")).lower()
    arguments = rng.sample(corpus.JSON_KEYS, rng.randint(0, 3))
    return f"{rng.choice(corpus.TOOL_VERBS)}_{noun}", tuple(arguments)
