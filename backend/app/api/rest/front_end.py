"""The OpenAI dialect as an integration, so that it shows in the status, can be switched off and drains."""

from app.core.integration_framework import BaseIntegration


class OpenAIApi(BaseIntegration):
    """It owns nothing: the endpoints ask the manager whether it serves before they take a request."""

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None
