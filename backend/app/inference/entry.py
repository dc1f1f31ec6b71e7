"""What a model's name means: an entry of the catalogue."""

import msgspec

from app.domain.models import ModelInfo
from app.inference.budget import Budget
from app.inference.call import Target
from app.inference.policy import ModelPolicy

OWN_NAME = "a model by its own name"


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A name that callers may use, its targets, and how they are used. `narrowest`: the smallest of the contexts
    that are known, in tokens. `meant`: what makes it a name.
    """

    name: str
    targets: tuple[Target, ...]
    policy: ModelPolicy
    budget: Budget
    hedges: Budget
    narrowest: int | None = None
    meant: str = OWN_NAME

    @property
    def serving(self) -> bool:
        return any(target.serving for target in self.targets)

    def meant_by(self, name: str) -> str:
        return self.meant if name == self.name else f"another name of '{self.name}', {self.meant}"

    @property
    def known(self) -> ModelInfo | None:
        return next((target.known for target in self.targets if target.known), None)
