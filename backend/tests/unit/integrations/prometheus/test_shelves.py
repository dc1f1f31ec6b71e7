"""Numbers of several processes, added up: while they count, when they are killed, when adding is cut short."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.integration_framework import IntegrationConfig, IntegrationContext, IntegrationManager, Registry
from app.core.siblings import Siblings
from app.domain.observing import Observable
from app.integrations.monitoring.prometheus import families, room
from app.integrations.monitoring.prometheus.integration import TOPIC, PrometheusIntegration
from app.integrations.monitoring.prometheus.room import collect
from app.integrations.monitoring.prometheus.shelf import NAMES, RESERVE, VALUES, Full, Shelf
from tests.servers.scraped import Scraped
from tests.unit.integrations.prometheus.platform import Platform

COST = ("llm_cost_total", ("m", "p", "t"))
WAIT = ("llm_queue_wait_seconds", ("p",))


def counting(shelf: Shelf, times: int = 1) -> None:
    for _ in range(times):
        shelf.add(families.COST, 2.0, *COST[1])
        shelf.observe(families.QUEUE_WAIT, 0.2, *WAIT[1])


def test_the_living_are_added_up(tmp_path: Path) -> None:
    shelves = [Shelf(tmp_path) for _ in range(3)]
    for shelf in shelves:
        counting(shelf, 5)
    found = collect(tmp_path)
    assert found[COST] == [30.0]
    assert found[WAIT][0] == pytest.approx(3.0)
    assert found[WAIT][1:] == [0, 0, 0, 15, *[0] * (len(families.QUEUE_WAIT.bounds) - 3)]
    assert shelves[0].numbers()[COST] == [10.0]


def test_the_dead_are_kept_and_their_files_are_not(tmp_path: Path) -> None:
    alive = Shelf(tmp_path)
    counting(alive)
    for deaths in range(1, 4):
        dying = Shelf(tmp_path)
        counting(dying)
        dying.close()
        assert collect(tmp_path)[COST] == collect(tmp_path)[COST] == [2.0 * (deaths + 1)]
        assert [path.name for path in tmp_path.glob(f"*{NAMES}")] == [alive.id + NAMES]
    counting(alive)
    assert collect(tmp_path)[COST] == [10.0]


CHILD = """
import sys
from pathlib import Path
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.shelf import Shelf
shelf = Shelf(Path(sys.argv[1]))
place = shelf.place(families.COST, "m", "p", "t")
while True:
    shelf.values[place] += 1.0
    if shelf.values[place] == 1000:
        print("counts", flush=True)
"""


def test_nothing_is_lost_of_one_that_is_killed_and_nothing_goes_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "backend"}) as child:
        assert child.stdout is not None
        child.stdout.readline()
        told = [collect(tmp_path)[COST][0] for _ in range(20)]
        child.send_signal(signal.SIGKILL)
    told += [collect(tmp_path)[COST][0] for _ in range(2)]
    assert told == sorted(told)
    assert told[-1] == told[-2] >= 1000
    assert not list(tmp_path.glob(f"*{VALUES}"))


def test_an_adding_that_is_cut_short_counts_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = Shelf(tmp_path)
    counting(dying)
    dying.close()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            collect(tmp_path)
    assert list(tmp_path.glob(f"*{NAMES}"))
    assert collect(tmp_path)[COST] == collect(tmp_path)[COST] == [2.0]
    assert not list(tmp_path.glob(f"*{NAMES}"))


def _interrupted(path: Path, missing_ok: bool = False) -> None:
    raise KeyboardInterrupt


def test_half_a_line_is_left_for_later(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    counting(shelf)
    with (tmp_path / (shelf.id + NAMES)).open("ab") as file:
        file.write(b'["llm_cost_')
    assert collect(tmp_path)[COST] == [2.0]


def test_a_shelf_has_an_end() -> None:
    shelf = Shelf(capacity=RESERVE + 1)
    shelf.place(families.COST, "the only one")
    with pytest.raises(Full):
        shelf.place(families.COST, "one too many")
    shelf.add(families.COST, 1.0, "one too many")
    shelf.observe(families.QUEUE_WAIT, 1.0, "one too many")
    assert "one too many" not in {labels for _, (labels, *_) in shelf.numbers()}
    assert shelf.last_place(families.COST, "of the reserve") == shelf.last_place(families.COST, "of the reserve")


def test_a_full_disk_fails_the_start_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Shelf(tmp_path)
    assert room.collect(tmp_path) == {}


async def test_who_comes_clears_up_after_those_that_died(tmp_path: Path) -> None:
    siblings = Siblings(tmp_path)
    folder = siblings.room(TOPIC)
    assert folder is not None
    for _ in range(3):
        dead = Shelf(folder)
        counting(dead)
        dead.close()
    integration = PrometheusIntegration(IntegrationConfig(name="prometheus", settings={"gpu": False}))
    manager = IntegrationManager(Registry({}))
    resources = {IntegrationManager: manager, Observable: Platform(), Siblings: siblings}
    integration.context = IntegrationContext(resources=resources)
    await integration.initialize()
    assert len(list(folder.glob(f"*{VALUES}"))) == 1
    text = (await integration.exposition(""))[1].decode()
    assert Scraped(text)("llm_cost_total") == 6
    await integration.shutdown()
