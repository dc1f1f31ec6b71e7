"""Streams of the Anthropic format, to and from lists of events."""

import json
from typing import Any


def frames(events: list[dict[str, Any]], end: str = "\n") -> bytes:
    return b"".join(f"event: {event['type']}{end}data: {json.dumps(event)}{end}{end}".encode() for event in events)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, whose `event` lines must say what their data say."""
    found = []
    for each in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = each.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found
