"""The TLS context of a transport, made anew when its files have changed: certificates are renewed under way."""

import logging
import os
import ssl

from app.core.http.transport import TransportSettings

logger = logging.getLogger(__name__)


class ClientTls:
    """Verifies the peer and its name unless `settings.verify` is off. Raises ValueError for an unusable file."""

    def __init__(self, name: str, settings: TransportSettings) -> None:
        self._name = name
        self._settings = settings
        files = (settings.ca_file, settings.client_cert_file, settings.client_key_file)
        self._files = tuple(file for file in files if file is not None)
        self._stamps = self._look()
        self._context = _context(name, settings)

    def context(self) -> ssl.SSLContext:
        """For the next connection; those that are open stay as they are. Looks at the files. While they can't be
        used, as half way through a renewal, the old context stays.
        """
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._context = _context(self._name, self._settings)
            except ValueError as error:
                logger.warning("the certificates read before stay: %s", error)
        return self._context

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _context(name: str, settings: TransportSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError):
        raise ValueError(f"The ca_file of '{name}' cannot be read as PEM certificates.") from None
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert_file is not None:
        try:
            context.load_cert_chain(settings.client_cert_file, settings.client_key_file, password=_no_password)
        except (OSError, ssl.SSLError):
            raise ValueError(f"The client certificate or key of '{name}' cannot be read as PEM.") from None
    return context


def _no_password() -> str:
    """Without it an encrypted key would make OpenSSL ask on the terminal."""
    return ""
