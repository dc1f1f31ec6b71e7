"""An Alertmanager that does as it is told: for what a real one can't be made to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = dict[str, Any]
ALERT: Json = {
    "fingerprint": "f00",
    "startsAt": "2026-01-01T00:00:00.123Z",
    "endsAt": "2026-01-01T01:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
    "generatorURL": "http://prometheus",
    "receivers": [{"name": "nobody"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    "labels": {"alertname": "LLMHighErrorRate", "severity": "critical", "model": "m"},
    "annotations": {"summary": "all fails", "description": "really"},
}


class AlertmanagerFake:
    """`status` and `text` answer everything, where they are set; `hold`: nothing is answered before it."""

    def __init__(self) -> None:
        self.url = ""
        self.alerts: list[Json] = [ALERT]
        self.status: int | None = None
        self.text: str | None = None
        self.hold: asyncio.Event | None = None
        self.headers: list[dict[str, str]] = []
        self.pushed: list[Json] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.hold is not None:
            await self.hold.wait()
        if self.status is not None or self.text is not None:
            return web.Response(status=self.status or 200, text=self.text or "")
        asked = f"{request.method} {request.path.rpartition('/')[2]}"
        if asked == "POST alerts":
            self.pushed += await request.json()
        answers: Json = {
            "GET status": {"versionInfo": {"version": "0.25.0"}, "cluster": {"status": "ready"}},
            "GET alerts": self.alerts,
            "GET silences": [],
            "POST silences": {"silenceID": "5ba1"},
        }
        return web.json_response(answers[asked]) if asked in answers else web.Response()


@asynccontextmanager
async def alertmanager_fake() -> AsyncIterator[AlertmanagerFake]:
    fake = AlertmanagerFake()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
