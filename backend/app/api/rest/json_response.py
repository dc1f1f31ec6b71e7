"""A JSON answer of msgspec values, which FastAPI passes on as it is."""

from typing import Any

import msgspec
from starlette.responses import Response


class JSON(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)
