"""The dialects of HTTP as integrations, so that they show in the status, can be switched off and drain."""

from app.core.integration_framework import BaseIntegration


class _Dialect(BaseIntegration):
    """It owns nothing: the endpoints ask the manager whether it serves before they take a request."""

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None


class OpenAIApi(_Dialect):
    """https://platform.openai.com/docs/api-reference"""


class AnthropicApi(_Dialect):
    """https://platform.claude.com/docs/en/api/messages"""
