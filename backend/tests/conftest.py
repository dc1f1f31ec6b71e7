"""Servers that tests of several rooms share. Each is started once, on first use."""

from collections.abc import Iterator

import pytest

from tests.servers.openai_peer import OpenAIPeer, running_peer


@pytest.fixture(scope="session")
def openai_peer() -> Iterator[OpenAIPeer]:
    """A real OpenAI-compatible server with the demo model."""
    with running_peer() as peer:
        yield peer


@pytest.fixture(scope="session")
def openai_embedding_peer() -> Iterator[OpenAIPeer]:
    """The same, for embeddings."""
    with running_peer(embeddings=True) as peer:
        yield peer
