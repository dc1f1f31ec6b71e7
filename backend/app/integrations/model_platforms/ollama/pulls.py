"""A download by Ollama as the platform's PullProgress."""

from app.domain.errors import ProviderProtocolError
from app.domain.models import PullProgress
from app.integrations.model_platforms.ollama import errors
from app.integrations.model_platforms.ollama.client import Progress

_SUCCESS = "success"


class PullTracker:
    """Adds up the layers of one model. Layers become known one by one, so the total grows on the way."""

    def __init__(self, *, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._layers: dict[str, tuple[int, int]] = {}
        self._succeeded = False

    def track(self, line: Progress) -> PullProgress:
        """Raises what an error line means."""
        if line.error:
            raise errors.from_text(line.error, provider=self._provider, model=self._model)
        if line.digest and line.total is not None:
            self._layers[line.digest] = (line.completed or 0, line.total)
        self._succeeded = line.status == _SUCCESS
        return PullProgress(
            model=self._model,
            status=line.status,
            completed_bytes=sum(done for done, _ in self._layers.values()) if self._layers else None,
            total_bytes=sum(total for _, total in self._layers.values()) if self._layers else None,
        )

    def check_finished(self) -> None:
        """Call it after the last line. Raises ProviderProtocolError unless that said that all went well."""
        if not self._succeeded:
            raise ProviderProtocolError(
                f"'{self._provider}' stopped pulling '{self._model}' before its end.", provider=self._provider
            )
