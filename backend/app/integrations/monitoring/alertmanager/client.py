"""Questions to one Alertmanager. Every method raises UpstreamError when it does not answer, or not as one."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

from app.core.http import (
    OutboundRequest,
    Transport,
    create_transport,
    error_by_status,
    get_json,
    open_good,
    post_json,
    read_error,
)
from app.domain.alerts import Alert, NewSilence, Silence
from app.domain.errors import InvalidRequest, NotFound, PlatformError
from app.integrations.monitoring.alertmanager import wire
from app.integrations.monitoring.alertmanager.settings import AlertmanagerSettings

_API = "/api/v2"


class Client:
    """Raises ValueError for an address, a header or a file that makes no sense."""

    def __init__(self, name: str, settings: AlertmanagerSettings) -> None:
        self._name = name
        self._wanted = f"{_API}/alerts?{urlencode([('filter', each) for each in settings.filter])}"
        self._transport: Transport = create_transport(
            name=name,
            base_url=settings.url,
            headers=settings.request_headers(),
            settings=settings.transport(),
        )

    async def status(self) -> wire.Status:
        return wire.status(self._name, await get_json(self._transport, f"{_API}/status"))

    async def alerts(self) -> tuple[Alert, ...]:
        return wire.alerts(self._name, await get_json(self._transport, self._wanted))

    async def push(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        await post_json(self._transport, f"{_API}/alerts", alerts)

    async def silences(self) -> tuple[Silence, ...]:
        return wire.silences(self._name, await get_json(self._transport, f"{_API}/silences"))

    async def silence(self, wanted: NewSilence, by: str, now: float) -> str:
        """The new one's id. Raises InvalidRequest."""
        body = wire.new_silence(wanted, by, now)
        found = await post_json(self._transport, f"{_API}/silences", body, decode_error=self._refused)
        return wire.silence_id(self._name, found)

    async def expire(self, id: str) -> None:
        """Raises NotFound."""
        request = OutboundRequest(method="DELETE", path=f"{_API}/silence/{quote(id, safe='')}")
        async with aclosing(await open_good(self._transport, request, self._unknown)) as response:
            await read_error(response)

    async def aclose(self) -> None:
        await self._transport.aclose()

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        if status not in {400, 422}:
            return error_by_status(self._name, status)
        return InvalidRequest(
            f"'{self._name}' refuses the matchers: a regular expression must be one, and one of them at least "
            "must not fit alerts that lack its label.",
            param="matchers",
        )

    def _unknown(self, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        """It checks the form of an id before it looks; up to 0.25 it says 500 when it has looked in vain."""
        if status in {400, 404, 422} or b"not found" in body:
            return NotFound("There is no silence of that id.", code="silence_not_found")
        return error_by_status(self._name, status)
