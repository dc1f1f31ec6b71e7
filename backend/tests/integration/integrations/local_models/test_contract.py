from typing import Any, ClassVar

from app.domain.ports import (
    ChatProvider,
    CompletionProvider,
    EmbeddingProvider,
    ModelLoader,
    ModelPinner,
    ModelRemover,
)
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.testing.contract import IntegrationContract


class TestCustomModels(IntegrationContract):
    integration = CustomModelsIntegration
    settings: ClassVar[dict[str, Any]] = {"preload": ["demo"], "slots": 1}
    bad_settings = ({"slots": 0}, {"context_size": "wide"}, {"folder": "models"})

    def test_it_satisfies_its_ports(self) -> None:
        for port in (
            ChatProvider,
            CompletionProvider,
            EmbeddingProvider,
            ModelLoader,
            ModelPinner,
            ModelRemover,
        ):
            assert isinstance(self.build(), port)
