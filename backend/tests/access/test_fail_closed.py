"""Whatever goes wrong while it is decided who may do what, nobody gets in by it: in each step, each front-end."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from app.accounts.accounts import Accounts
from app.accounts.keys.digests import Digests
from app.accounts.keys.text import new_key
from app.api import identity
from app.api.refusals import Refusals
from app.domain.errors import UpstreamUnavailable
from app.domain.principal import Principal
from app.integrations.storage.database.integration import DatabaseIntegration
from tests.access.routes import STRANGER, UNAVAILABLE, ask
from tests.servers.whole_platform import MASTER, Whole

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTES = [
    "POST /v1/chat/completions",
    "POST /v1/messages",
    "POST /v1/responses",
    "GET /v1/models",
    "POST /admin/reload",
    "GraphQL Query.models",
    "GraphQL Subscription.metrics",
    "gRPC llm_platform.v1.Inference/ChatUnary",
    "gRPC llm_platform.v1.Models/WatchModels",
    "WebSocket /ws/chat",
    "WebSocket /ws/metrics",
]
KNOWN, UNKNOWN = "a known key", "an unknown key"


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("injected")


STEPS: dict[str, tuple[object, str, tuple[str, ...]]] = {
    "the key's digest": (Digests, "of", (KNOWN, UNKNOWN)),
    "what is known": (Accounts, "known", (KNOWN, UNKNOWN)),
    "the lookup": (Accounts, "find", (UNKNOWN,)),
    "the database": (DatabaseIntegration, "reading", (UNKNOWN,)),
    "the checksum": (identity, "is_key", (UNKNOWN,)),
    "the master key": (hmac, "compare_digest", (UNKNOWN, MASTER)),
    "its digest": (identity, "_digest", (UNKNOWN, MASTER)),
    "the key's end": (identity.Authenticator, "_good", (KNOWN,)),
    "the count of refusals": (Refusals, "note", (UNKNOWN,)),
    "the whole of it": (identity.Authenticator, "_recognised", (KNOWN, UNKNOWN, MASTER, "")),
    "the header": (identity, "_refusal", ("Basic",)),
    "the role": (Principal, "may", (KNOWN, MASTER)),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("step", STEPS)
async def test_a_defect_in_a_step(whole: Whole, step: str, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, shown = STEPS[step]
    texts: dict[str, Callable[[], dict[str, str]]] = {
        KNOWN: lambda: whole.header("admin"),
        UNKNOWN: lambda: {"Authorization": f"Bearer {new_key()}"},
        MASTER: lambda: {"Authorization": f"Bearer {MASTER}"},
        "": dict,
        "Basic": lambda: {"Authorization": "Basic dXNlcg=="},
    }
    monkeypatch.setattr(where, name, broken)
    for what in shown:
        assert await ask(whole, route, texts[what]()) in {STRANGER, UNAVAILABLE}, what


@pytest.mark.parametrize("route", ROUTES)
async def test_a_database_that_fails_is_no_refusal_of_the_key(
    whole: Whole, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> Any:
        raise UpstreamUnavailable("'database' failed.", provider="database")

    monkeypatch.setattr(DatabaseIntegration, "reading", failing)
    assert await ask(whole, route, {"Authorization": f"Bearer {new_key()}"}) == UNAVAILABLE
    monkeypatch.undo()
    await asyncio.sleep(0)
