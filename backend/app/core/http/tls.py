"""The TLS context of a transport."""

import ssl

from app.core.http.transport import TransportSettings


def client_context(name: str, settings: TransportSettings) -> ssl.SSLContext:
    """Verifies the peer and its name unless `settings.verify` is off. Raises ValueError for an unusable file."""
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
