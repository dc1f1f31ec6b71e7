"""A question and texts in, how well each answers it out."""

import msgspec


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`top_n`: how many of the best are wanted; all, where None. `return_documents`: with their texts."""

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    return_documents: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a model reads: each text with the question."""
        return tuple(f"{self.query}\n{document}" for document in self.documents)
