"""A provider's server as its integration asks it: with a key that is good; refusals are raised, and logged.

What a status means is each dialect's matter; how keys take turns is keys.py's.
"""

from collections.abc import Callable, Mapping
from typing import Self

import msgspec

from app.core.http import (
    ErrorDecoder,
    InboundResponse,
    OutboundRequest,
    Transport,
    TransportSettings,
    create_transport,
    open_good,
)
from app.core.integration_framework import HealthReport, IntegrationConfigError
from app.domain.errors import PlatformError, UpstreamError
from app.integrations.kit.failure_log import FailureLog
from app.integrations.kit.keys import Key, KeyRing
from app.integrations.kit.settings import ServerSettings


class Upstream:
    """Satisfies Transport, by which it is asked small questions: its health, its models. `ask` is for all that
    callers want of it.
    """

    def __init__(self, transport: Transport, keys: KeyRing | None, failed: FailureLog) -> None:
        """`keys`: None where the transport's own headers hold the credential, if there is any."""
        self.name = transport.name
        self._transport = transport
        self._keys = keys
        self._failed = failed

    @classmethod
    def connect(
        cls, name: str, base_url: str, settings: ServerSettings, transport: TransportSettings | None = None
    ) -> Self:
        """`transport`: instead of what `settings` say of it. Raises IntegrationConfigError for what can't be
        right: an address, a header, a file.
        """
        headers = settings.request_headers()
        try:
            opened = create_transport(
                name=name, base_url=base_url, headers=headers, settings=transport or settings.transport()
            )
        except ValueError as error:
            raise IntegrationConfigError(str(error)) from None
        keys, recheck = settings.keys, settings.key_recheck_interval
        several = len(keys) > 1
        ring = KeyRing(keys, settings.credential, provider=name, recheck_after=recheck) if several else None
        return cls(opened, ring, FailureLog(name, (*keys, *headers.values())))

    def through(self, wrap: Callable[[Transport], Transport]) -> "Upstream":
        """The same server and keys by way of a transport over this one's."""
        return Upstream(wrap(self._transport), self._keys, self._failed)

    async def ask(
        self, request: OutboundRequest, decode_error: ErrorDecoder, *, model: str = ""
    ) -> InboundResponse:
        """A 2xx answer, for the caller to read and close. Raises what `decode_error` makes of any other, and, with
        several keys, what KeyRing.take and KeyRing.blame say. `model`: the one that is asked.
        """
        failed = self._failed

        def told(status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
            error = decode_error(status, headers, body)
            if isinstance(error, UpstreamError):
                failed(status, body)
            return error

        if self._keys is None:
            return await open_good(self._transport, request, told)
        key = self._keys.take(model)
        try:
            return await open_good(self._transport, _with(request, key), told)
        except PlatformError as error:
            raise self._keys.blame(key, model, error) from None

    @property
    def busy(self) -> bool:
        return self._transport.busy

    async def open(self, request: OutboundRequest) -> InboundResponse:
        """With several keys: the answer to the first that is let in, or to the last."""
        keys = self._keys
        if keys is None:
            return await self._transport.open(request)
        waiting = keys.to_check()
        while True:
            key = waiting.pop(0)
            response = await self._transport.open(_with(request, key))
            status = response.status
            if status < 500:
                # A key may serve models and still not be allowed to list them: that is no 401.
                keys.checked(key, refused=status == 401 or (status == 403 and key.refused))
            if status not in {401, 403} or not waiting:
                return response
            await response.aclose()

    def told_in(self, report: HealthReport) -> HealthReport:
        """`report` with the state of the keys, if there are several."""
        return report if self._keys is None else self._keys.told_in(report)

    async def aclose(self) -> None:
        await self._transport.aclose()


def _with(request: OutboundRequest, key: Key) -> OutboundRequest:
    return msgspec.structs.replace(request, headers=(*request.headers, key.header))
