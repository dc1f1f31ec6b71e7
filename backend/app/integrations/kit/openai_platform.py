"""What integrations over OpenAI's dialect have in common: what kit.platform has, with that dialect's client."""

from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.kit.platform import UpstreamPlatform


class OpenAIPlatform(UpstreamPlatform[OpenAICompatibleClient]):
    """Satisfies ChatProvider. A subclass calls `_connect` in initialize() and sets `_client`."""
