"""Who can reach the server: where nobody is asked who he is, it listens on this machine alone."""

from ipaddress import ip_address

from app.settings.problems import ConfigError, Problem
from app.settings.schema import Settings


def check_exposure(settings: Settings, listening: str | None = None) -> None:
    """Raises ConfigError when the server would listen beyond loopback and let everyone in. `listening`: the host
    where it listens already, and goes on until it is started anew.
    """
    if settings.server.api_key is not None or settings.auth.oidc.issuer is not None:
        return
    host = next((each for each in (settings.server.host, listening) if each and not is_loopback(each)), None)
    if host is None:
        return
    message = (
        f"{host} can be reached from other machines, and no key is set: set LLM_PLATFORM_API_KEY or bind 127.0.0.1"
    )
    if host == listening:
        message += ", which needs a restart"
    raise ConfigError([Problem("", "server.host", message)])


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine alone. Of the names only localhost counts: others can change."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
