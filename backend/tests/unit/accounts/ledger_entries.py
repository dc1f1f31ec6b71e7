"""Entries of the ledger for tests, and a process that can open no file."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from app.accounts.usage.schemas import AttemptEntry, Entry

_NUMBERS = count(1)
NOON = 1_790_000_000.0


def entry(**fields: Any) -> Entry:
    number = next(_NUMBERS)
    filled = {
        "id": f"id-{number}",
        "at": NOON,
        "request_id": f"req-{number}",
        "principal": "ann",
        "front_end": "openai_api",
        "operation": "chat",
        "model": "gpt",
        "outcome": "ok",
        "seconds": 0.5,
        "key_id": "key-1",
        "team": "red",
        "integration": "cloud",
        "target_model": "gpt-1",
        "attempts": 1,
        "input_tokens": 10,
        "output_tokens": 5,
        "cost": 1000,
        "tried": (AttemptEntry("cloud", "gpt-1", 0.25),),
    }
    return Entry(**{**filled, **fields})


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process can open nothing any more; what is open stays so."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
