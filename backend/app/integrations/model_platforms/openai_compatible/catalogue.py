"""The vendors that speak the OpenAI dialect, one row each: servers.py and clouds.py, by the columns of vendor.py.

A vendor that needs more than a row is an integration of its own.
"""

from collections.abc import Mapping

from app.integrations.model_platforms.openai_compatible.clouds import CLOUDS
from app.integrations.model_platforms.openai_compatible.servers import GENERIC, SERVERS
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

__all__ = ["CATALOGUE", "SERVERS"]

CATALOGUE: Mapping[str, Vendor] = {row.kind: row for row in (GENERIC, *SERVERS, *CLOUDS)}
