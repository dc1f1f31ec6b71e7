from collections.abc import Iterator

import pytest

from app.core.integration_framework import (
    IntegrationManager,
    NoIntegrationManager,
    Registry,
    get_integration_manager,
    set_integration_manager,
)


@pytest.fixture(autouse=True)
def _no_manager() -> Iterator[None]:
    set_integration_manager(None)
    yield
    set_integration_manager(None)


async def test_the_manager_that_was_set_is_had() -> None:
    manager = IntegrationManager(Registry({}, installed=tuple))
    set_integration_manager(manager)
    assert await get_integration_manager() is manager


async def test_without_one_the_error_says_what_to_do() -> None:
    with pytest.raises(NoIntegrationManager, match=r"start it with app\.bootstrap"):
        await get_integration_manager()
