"""One whole platform with a key of each role, for the tests that only ask it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.roles import ROLES
from tests.servers.whole_platform import Whole, whole_platform


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with whole_platform(tmp_path_factory.mktemp("access")) as platform:
        for role in ROLES:
            await platform.issue(role, roles=(role,))
        yield platform
