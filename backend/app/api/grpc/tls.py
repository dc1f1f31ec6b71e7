"""The server's certificate, read again when its file changes, so that a renewal needs no restart."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import grpc

from app.core.integration_framework import IntegrationConfigError

logger = logging.getLogger(__name__)

Configuration: TypeAlias = grpc.ServerCertificateConfiguration
Stamp: TypeAlias = tuple[int, int]


class Certificates:
    """Files in PEM form: the certificate with its chain, and its key."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._stamp: Stamp | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Reads files. Raises IntegrationConfigError when they can't be used."""
        self._stamp = self._look()
        try:
            first = self._read()
        except OSError as error:
            raise IntegrationConfigError(self._told(error)) from None
        return grpc.dynamic_ssl_server_credentials(first, cast("Callable[[], Configuration]", self._renewed))

    def _renewed(self) -> Configuration | None:
        """Asked by gRPC before each handshake, in a thread of its own; None: as before."""
        stamp = self._look()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return self._read()
        except OSError as error:
            logger.warning("the old certificate stays: %s", self._told(error))
            return None

    def _look(self) -> Stamp | None:
        """None while a file is missing, as half way through a renewal."""
        try:
            return self._certificate.stat().st_mtime_ns, self._private_key.stat().st_mtime_ns
        except OSError:
            return None

    def _read(self) -> Configuration:
        """Raises OSError, and ssl.SSLError, which is one, for files that do not hold a certificate and its key."""
        # gRPC would say no more than that it failed. The password keeps OpenSSL from asking for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._private_key, password="")
        pair = (self._private_key.read_bytes(), self._certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair])

    def _told(self, error: OSError) -> str:
        return f"{self._certificate} with the key {self._private_key} can't be used: {error.strerror or error}"
