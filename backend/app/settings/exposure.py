"""Who can reach the server: where nobody is asked who he is, it listens on this machine alone."""

from ipaddress import ip_address

from app.settings.problems import ConfigError, Problem
from app.settings.schema import Settings


def check_exposure(settings: Settings) -> None:
    """Raises ConfigError when the server would listen beyond loopback and let everyone in."""
    server = settings.server
    if server.api_key is not None or settings.auth.oidc.issuer is not None or is_loopback(server.host):
        return
    message = (
        f"{server.host} can be reached from other machines, and no key is set: "
        "set LLM_PLATFORM_API_KEY or bind 127.0.0.1"
    )
    raise ConfigError([Problem("", "server.host", message)])


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine alone. Of the names only localhost counts: others can change."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
