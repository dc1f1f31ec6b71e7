"""Each test here runs on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.accounts.rooms import Process, process


@pytest.fixture
async def room(database_settings: dict[str, Any]) -> AsyncIterator[Process]:
    async with process(database_settings) as found:
        yield found
