import pytest

from app.domain.errors import ModelNotFound, ProviderProtocolError
from app.domain.models import PullProgress
from app.integrations.model_platforms.ollama.client import Progress
from app.integrations.model_platforms.ollama.pulls import PullTracker


def step(status: str, done: int | None = None, total: int | None = None) -> PullProgress:
    return PullProgress(model="m", status=status, completed_bytes=done, total_bytes=total)


def test_layers_add_up() -> None:
    tracker = PullTracker(provider="ollama", model="m")
    lines = [
        (Progress(status="pulling manifest"), step("pulling manifest")),
        (Progress(status="pulling a", digest="a", total=100), step("pulling a", 0, 100)),
        (Progress(status="pulling a", digest="a", total=100, completed=60), step("pulling a", 60, 100)),
        (Progress(status="pulling a", digest="a", total=100, completed=100), step("pulling a", 100, 100)),
        (Progress(status="pulling b", digest="b", total=10, completed=4), step("pulling b", 104, 110)),
        (Progress(status="success"), step("success", 104, 110)),
    ]
    assert [tracker.track(line) for line, _ in lines] == [want for _, want in lines]
    tracker.check_finished()


@pytest.mark.parametrize("last", [None, Progress(status="writing manifest")])
def test_a_pull_without_success_failed(last: Progress | None) -> None:
    tracker = PullTracker(provider="ollama", model="m")
    if last is not None:
        tracker.track(last)
    with pytest.raises(ProviderProtocolError):
        tracker.check_finished()


def test_an_error_line_ends_a_pull() -> None:
    tracker = PullTracker(provider="ollama", model="m")
    with pytest.raises(ModelNotFound):
        tracker.track(Progress(error="pull model manifest: file does not exist"))
