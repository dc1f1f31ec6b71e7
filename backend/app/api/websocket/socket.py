"""One open socket: who is on it, what it says, when it ends. What is said about is a session's matter."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.types import Receive

from app.api.access import check_access
from app.api.policy import ApiPolicy
from app.api.websocket.frames import Frame, decode, error_frame
from app.api.websocket.outbox import ClientGone, Outbox
from app.domain.errors import InternalError, InvalidRequest, Overloaded, PlatformError, Unauthenticated
from app.domain.principal import Principal
from app.domain.tracing import Trace

GOING_AWAY, POLICY_VIOLATION = 1001, 1008

logger = logging.getLogger(__name__)


class Session(Protocol):
    """What a socket is for. `busy`: it has answers under way that a stopping platform waits for."""

    @property
    def busy(self) -> bool: ...

    def start(self) -> None: ...

    async def take(self, frame: Frame) -> None:
        """A frame of the client's. Raises PlatformError, which is answered and ends nothing."""
        ...

    def stop(self, error: PlatformError) -> None:
        """Break off what is under way and say why."""
        ...

    async def close(self) -> None:
        """The client is gone: let go of everything."""
        ...


class Socket:
    """`key`: what came in the headers. A socket without one has `patience` seconds to send it in an auth frame.
    `route`: as the table of access names it. `trace`: what the handshake said of it.
    """

    trace: Trace | None = None

    def __init__(
        self,
        route: str,
        receive: Receive,
        outbox: Outbox,
        policy: Callable[[], ApiPolicy],
        key: str | None,
        patience: float,
    ) -> None:
        self._route = route
        self.outbox = outbox
        self._receive = receive
        self._policy = policy
        self._key = key
        self._patience = patience
        self._session: Session | None = None
        self._draining = False
        self._closing: asyncio.Task[None] | None = None

    async def principal(self) -> Principal:
        """Asked for each call: a key that is taken back stops working here too. Raises Unauthenticated,
        PermissionDenied, Unavailable.
        """
        return await self._admit(self._key)

    async def _admit(self, key: str | None) -> Principal:
        principal = await self._policy().authenticator.authenticate(key)
        check_access(principal, self._route)
        return principal

    def check_taking(self) -> None:
        """Raises Overloaded once the platform is stopping."""
        if self._draining:
            raise stopping()

    async def run(self, session: Session) -> None:
        """Until the client leaves or the socket is closed from here."""
        self._session = session
        try:
            if await self._admitted():
                session.start()
                while (message := await self._receive())["type"] == "websocket.receive":
                    await self._take(session, message)
        except ClientGone:
            return
        finally:
            self._session = None
            await session.close()

    def drain(self) -> None:
        """Take nothing new, and close when what is under way has ended."""
        self._draining = True
        self.settled()

    def stop(self) -> None:
        """Break off what is under way, tell the client, close."""
        self._draining = True
        if self._session is not None and self._session.busy:
            self._session.stop(stopping())
        else:
            self.settled()

    def settled(self) -> None:
        """To be called by the session when nothing is under way any more."""
        if self._draining and self._closing is None and not (self._session is not None and self._session.busy):
            self._closing = asyncio.create_task(self.outbox.close(GOING_AWAY, "the platform is stopping"))

    async def _admitted(self) -> bool:
        try:
            await self.principal()
        except Unauthenticated:
            pass
        except PlatformError as error:
            await self.turn_away(error)
            return False
        else:
            return True
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
                if message["type"] != "websocket.receive":
                    return False
                await self._authenticate(decode(message, self._policy().json_depth))
        except TimeoutError:
            await self.turn_away(Unauthenticated(f"No key came within {self._patience:g} s.", code="auth_timeout"))
        except PlatformError as error:
            await self.turn_away(error)
        else:
            return True
        return False

    async def turn_away(self, error: PlatformError) -> None:
        await self.outbox.send(error_frame(None, error))
        await self.outbox.close(POLICY_VIOLATION, "not admitted")

    async def _take(self, session: Session, message: Mapping[str, Any]) -> None:
        id = None
        try:
            frame = decode(message, self._policy().json_depth)
            id = frame.id
            if frame.type == "auth":
                await self._authenticate(frame)
            else:
                await session.take(frame)
        except PlatformError as error:
            await self.outbox.send(error_frame(id, error))
        except ClientGone:
            raise
        except Exception:
            logger.exception("defect in a WebSocket frame")
            defect = InternalError("The platform failed unexpectedly; its log tells more.")
            await self.outbox.send(error_frame(id, defect))

    async def _authenticate(self, frame: Frame) -> None:
        """Raises Unauthenticated; the key that counted until now then still does."""
        key = frame.fields.get("key")
        if frame.type != "auth":
            raise Unauthenticated(
                'No API key was given: send it in the Authorization header, or in a first frame {"type": "auth", '
                '"key": "YOUR_KEY"}.',
                code="invalid_api_key",
            )
        if type(key) is not str:
            raise InvalidRequest("'key': expected a string.", code="invalid_type", param="key")
        await self._admit(key)
        self._key = key
        await self.outbox.send({"type": "authenticated"})


def stopping() -> Overloaded:
    return Overloaded("The platform is stopping: connect again.", code="stopping", retry_after=1.0)
