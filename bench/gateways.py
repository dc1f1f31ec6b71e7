"""What can be measured, as data and a way to start it: the floor and the platform here, the others in peers.py."""

import contextlib
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from bench.processes import Address, NotStarted, Running, free_port, running
from bench.scenarios import MESSAGES, chat_body

KEY = "sk-bench-0123456789abcdef"
FLOOR = "upstream alone"


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """`start` takes the upstream's port; it raises processes.NotStarted.

    `scenarios`: takes part in these only; empty: in all.
    """

    name: str
    start: Callable[[int], AbstractContextManager[Running]]
    version: str = ""
    scenarios: tuple[str, ...] = ()


@contextmanager
def upstream(*options: str) -> Iterator[Running]:
    address = Address(port=free_port())
    command = [sys.executable, "-m", "bench.upstream", "--port", str(address.port), *options]
    with running(command, address, first_answer(address)) as up:
        yield up


_TIERS = {
    "tiers": {
        "bench": {
            "rates": [
                {"unit": "requests", "limit": 10**9},
                {"unit": "tokens", "limit": 10**12},
                {"unit": "concurrent", "limit": 10**6},
            ]
        }
    },
    "default_tier": "bench",
}
_BUDGETS = {"budgets": {"all": {"usd": 10**6}, "each-key": {"usd": 10**6, "each": "key"}}}
"""Everything is counted, and nothing is ever reached."""

TENANTS = {**_TIERS, "log_level": "warning"}
LEDGER_SECONDS = 1.2
"""After so many the ledger has written into its database what was answered."""


def traces(ratio: float) -> dict[str, object]:
    """The part of the calls that is recorded, for a Collector that is not there."""
    settings = {"endpoint": "http://127.0.0.1:9", "sample_ratio": ratio, "metrics": False}
    return {"opentelemetry": {"settings": settings}}


METRICS = {"prometheus": {"enabled": True}}
WATCHED = {**METRICS, **traces(0.0)}
"""Counted for Prometheus, and no trace recorded."""

EVERYTHING = {**_TIERS, **_BUDGETS, "log_level": "info"}

DIALECTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "openai": ("openai_compatible", {}),
    "anthropic": ("anthropic", {"models": ["bench"], "discover": False}),
    "gemini": ("gemini", {"models": ["bench"], "discover": False}),
    "ollama": ("ollama", {}),
}
"""What the upstream can be asked in: the integration's kind, and its settings."""

PATHS = {"openai": Address(port=0).path, "anthropic": MESSAGES}
"""What the platform can be asked in, and where."""


@contextmanager
def platform(
    upstream_port: int,
    *,
    key: str | None = None,
    virtual: bool = False,
    with_key: Mapping[str, object] = EVERYTHING,
    watching: Mapping[str, object] = {},
    workers: int = 1,
    target: Mapping[str, object] | None = None,
    **sections: object,
) -> Iterator[Running]:
    """This platform with one OpenAI-compatible integration and the model name `bench`. `virtual`: asked with a key
    that it issued. `with_key`: what is counted and told where there is a key; the ledger is kept then, too.
    `watching`: integrations that are told of calls; none by default. `target`: further settings of its target;
    `sections`: of everything.
    """

    def wanted(folder: str) -> dict[str, object]:
        return configuration(
            upstream_port,
            folder,
            key=key,
            with_key=with_key,
            watching=watching,
            target=target,
            dialect="openai",
            **sections,
        )

    address = Address(port=free_port(), headers={"authorization": f"Bearer {key}"} if key else {})
    with _serving(wanted, address, "--workers", str(workers), key=key) as gateway:
        if key is not None:
            gateway.afterwards = LEDGER_SECONDS
        if virtual:
            gateway.address = with_virtual_key(address)
        yield gateway


@contextmanager
def translator(upstream_port: int, *, asked: str, dialect: str) -> Iterator[Running]:
    """This platform, `asked` in one of PATHS, which asks its upstream in one of DIALECTS."""
    address = Address(port=free_port(), path=PATHS[asked])
    with _serving(partial(configuration, upstream_port, dialect=dialect), address) as gateway:
        yield gateway


@contextmanager
def _serving(
    wanted: Callable[[str], dict[str, object]], address: Address, *options: str, key: str | None = None
) -> Iterator[Running]:
    """`wanted`: the configuration, by the folder where things are kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(wanted(folder)), "utf-8")
        command = [*SERVE, "--config", str(path), "--port", str(address.port), *options]
        environment = {**clean_environment(), **({"LLM_PLATFORM_API_KEY": key} if key else {})}
        with running(command, address, first_answer(address), environment=environment) as gateway:
            yield gateway


def configuration(
    upstream_port: int,
    folder: str,
    *,
    key: str | None = None,
    with_key: Mapping[str, object] = EVERYTHING,
    watching: Mapping[str, object] = {},
    target: Mapping[str, object] | None = None,
    dialect: str = "openai",
    **sections: object,
) -> dict[str, object]:
    """What the platform runs with. `folder`: where it keeps things."""
    kind, settings = DIALECTS[dialect]
    there = {"base_url": f"http://127.0.0.1:{upstream_port}", "api_key": "none"}
    return {
        "log_level": "warning",
        "data_dir": folder,
        "integrations": {
            "custom_models": {"enabled": False},
            "prometheus": {"enabled": False},
            **watching,
            "upstream": {"kind": kind, "settings": {**there, **settings}},
        },
        "usage": {"enabled": key is not None},
        **(with_key if key is not None else {}),
        **sections,
        "models": {"bench": {"target": "upstream/bench", **(target or {})}},
    }


def with_virtual_key(address: Address) -> Address:
    """The same place, with a key that is issued there now."""
    headers = {"content-type": "application/json", **address.headers}
    asking = urllib.request.Request(f"http://127.0.0.1:{address.port}/v1/keys", b"{}", headers)
    with urllib.request.urlopen(asking, timeout=30) as answer:
        key = json.load(answer)["key"]
    return msgspec.structs.replace(address, headers={"authorization": f"Bearer {key}"})


SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve")


_NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini", "ollama": "Ollama"}

TRANSLATIONS = (
    ("openai", "anthropic"),
    ("openai", "gemini"),
    ("openai", "ollama"),
    ("anthropic", "openai"),
)
"""Asked in, and asked on in."""


def platforms(workers: int) -> tuple[Contender, ...]:
    """Plain, translating, with everything on, and that in more processes where that can matter."""
    several = Contender(
        name=f"platform, everything on, {workers} workers",
        start=partial(platform, key=KEY, watching=WATCHED, workers=workers),
        scenarios=("request, c=32", "stream of 100, c=64"),
    )
    return (
        Contender(name="platform", start=platform),
        *(
            Contender(
                name=f"platform, {_NAMES[asked]} to {_NAMES[dialect]}",
                start=partial(translator, asked=asked, dialect=dialect),
                scenarios=("request, c=32", "stream of 100, c=64"),
            )
            for asked, dialect in TRANSLATIONS
        ),
        Contender(name="platform, everything on", start=_EVERYTHING_ON),
        *((several,) if workers > 1 else ()),
    )


_EVERYTHING_ON = partial(platform, key=KEY, watching=WATCHED)

LAYERS = (
    Contender(name="metrics", start=partial(platform, watching=METRICS)),
    Contender(name="request log", start=partial(platform, log_level="info")),
    Contender(name="traces sampled out", start=partial(platform, watching=traces(0.0))),
    Contender(name="all traces recorded", start=partial(platform, watching=traces(1.0))),
    Contender(
        name="virtual key + tier + ledger",
        start=partial(platform, key=KEY, virtual=True, with_key=TENANTS),
    ),
    Contender(name="everything on", start=_EVERYTHING_ON),
)
"""What the plain platform can have besides, each alone and then all of it."""


def first_answer(address: Address) -> urllib.request.Request:
    """The request whose success means that the server is there."""
    headers = {"content-type": "application/json", **address.headers}
    url = f"http://127.0.0.1:{address.port}{address.path}"
    return urllib.request.Request(url, chat_body(None, address), headers)


def wait_for(address: Address, seconds: float = 30.0) -> None:
    """Until the server gives its first good answer. Raises NotStarted."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(first_answer(address), timeout=seconds):
            return
        time.sleep(0.05)
    raise NotStarted(f"it gave no answer within {seconds:g} s")


def clean_environment() -> dict[str, str]:
    """With the platform importable, and without what would add other integrations, send a key along, trace, or
    have every start compile what it loads.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL"))
        and not name.startswith("OTEL_")
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "PYTHONPATH": "backend"}
