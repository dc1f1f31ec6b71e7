"""/ws/models and /ws/metrics: a snapshot, then what changes."""

from collections.abc import Sequence

from app.domain.errors import UpstreamUnavailable
from app.domain.models import ModelInfo
from app.testing.providers import ScriptedProvider
from tests.websocket.gateway import ANSWER, client, eventually, gateway


class Changing(ScriptedProvider):
    def __init__(self) -> None:
        super().__init__(ANSWER)
        self.known = [
            ModelInfo(id="cloud", provider="scripted", capabilities=frozenset({"tools", "chat"})),
            ModelInfo(id="local", provider="scripted", loaded=False),
        ]

    def models(self) -> Sequence[ModelInfo]:
        return self.known


def model(id: str, status: str, *capabilities: str) -> dict[str, object]:
    return {"id": id, "provider": "scripted", "status": status, "capabilities": list(capabilities or ("chat",))}


async def test_models_as_they_come_change_and_go() -> None:
    provider = Changing()
    async with gateway(provider) as platform, client(platform, "/ws/models") as socket:
        models = [model("cloud", "available", "chat", "tools"), model("local", "unloaded")]
        assert await socket.frame() == {"type": "snapshot", "models": models}
        platform.catalog.rebuild()
        provider.known = [provider.known[0], ModelInfo(id="local", provider="scripted", loaded=True)]
        platform.catalog.rebuild()
        assert await socket.frame() == {"type": "change", "model": model("local", "loaded")}
        provider.known.append(ModelInfo(id="new", provider="scripted"))
        platform.catalog.rebuild()
        assert await socket.frame() == {"type": "change", "model": model("new", "available")}
        del provider.known[1]
        platform.catalog.rebuild()
        assert await socket.frame() == {"type": "change", "model": model("local", "removed")}
        platform.serving = False
        platform.catalog.rebuild()
        changes = [await socket.frame(), await socket.frame()]
        assert [each["model"]["status"] for each in changes] == ["unavailable"] * 2


async def test_a_reader_of_models_that_leaves_is_forgotten() -> None:
    async with gateway() as platform:
        async with client(platform, "/ws/models") as socket:
            await socket.frame()
            assert len(platform.catalog._watchers) == 1
        await eventually(lambda: not platform.catalog._watchers)


async def test_metrics_are_a_snapshot_and_then_what_changed() -> None:
    scripts = [ANSWER, [UpstreamUnavailable("down")], ANSWER]
    provider = ScriptedProvider(*scripts, models=("model", "other"))
    async with gateway(provider) as platform, client(platform) as chat:
        await chat.ask()
        async with client(platform, "/ws/metrics") as socket:
            shown = await socket.frame()
            figures = shown["metrics"]
            assert (shown["type"], figures["active"]) == ("snapshot", 0)
            assert figures["total"] == figures["models"]["model"]
            assert (figures["total"]["requests"], figures["total"]["output_tokens"]) == (1, 2)
            await chat.ask(model="other")
            figures = await _until_requests(socket, 2)
            assert (figures["total"]["errors"], list(figures["models"])) == (1, ["other"])
            await chat.ask()
            figures = await _until_requests(socket, 3)
            assert (figures["models"]["model"]["requests"], list(figures["models"])) == (2, ["model"])


async def _until_requests(socket, requests: int):  # type: ignore[no-untyped-def]
    while True:
        frame = await socket.frame()
        assert frame["type"] == "change"
        if frame["metrics"]["total"]["requests"] == requests:
            return frame["metrics"]


async def test_a_feed_takes_no_requests() -> None:
    async with gateway() as platform:
        for path in ("/ws/models", "/ws/metrics"):
            async with client(platform, path) as socket:
                await socket.frame()
                await socket.send(message="hi", model="model")
                assert (await socket.frame())["error"]["param"] == "type"
