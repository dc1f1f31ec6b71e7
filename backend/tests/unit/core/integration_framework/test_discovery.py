import threading
from importlib.metadata import EntryPoint

import pytest

from app.core.integration_framework.discovery import ENTRY_POINT_GROUP, Registry
from app.core.integration_framework.errors import IntegrationConfigError, IntegrationImportFailed
from app.testing.faults import IMPORT_GATE, FaultIntegration

FAULT = "app.testing.faults:FaultIntegration"


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINT_GROUP)


def registry(builtin: dict[str, object] | None = None, *entries: EntryPoint) -> Registry:
    return Registry(builtin or {}, installed=lambda: entries)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        registry({"fault": FAULT}),
        registry({"fault": FaultIntegration}),
        registry({}, entry("fault", FAULT)),
        registry({}, entry("fault", FAULT), entry("fault", FAULT), entry("other", "no:where")),
        registry({"fault": FAULT}, entry("fault", "no:where")),
    ],
    ids=["lazy built-in", "class", "package", "package seen twice", "built-in wins"],
)
async def test_a_kind_becomes_its_class(found: Registry) -> None:
    assert await found.load("fault") is FaultIntegration


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (registry({"a": FAULT}, entry("b", FAULT)), "no integration of kind 'fault'; there are: a, b"),
        (
            registry({}, entry("fault", FAULT), entry("fault", "o:Other")),
            "several packages offer the kind 'fault'",
        ),
        (registry({"fault": "app.testing.faults:Fault"}), "is not a BaseIntegration"),
        (registry({"fault": "app.testing.faults:IMPORT_GATE"}), "is not a BaseIntegration"),
    ],
    ids=["unknown", "ambiguous", "another class", "no class"],
)
async def test_an_unfit_kind_is_a_fault_of_the_configuration(found: Registry, message: str) -> None:
    with pytest.raises(IntegrationConfigError, match=message):
        await found.load("fault")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no.such.module:Class", "ModuleNotFoundError: No module named 'no'"),
        ("app.testing.faults:NoSuchClass", "AttributeError"),
        ("app.testing.faults", "AttributeError"),
    ],
)
async def test_a_failing_import_is_told_with_its_cause(reference: str, message: str) -> None:
    with pytest.raises(IntegrationImportFailed, match=message) as raised:
        await registry({"fault": reference}).load("fault")
    assert raised.value.__cause__ is not None


async def test_unreadable_package_metadata_is_a_failed_import() -> None:
    def unreadable() -> tuple[EntryPoint, ...]:
        raise OSError("disk")

    with pytest.raises(IntegrationImportFailed, match="cannot be looked up: disk"):
        await Registry({}, installed=unreadable).load("fault")


async def test_nothing_is_imported_before_it_is_loaded() -> None:
    IMPORT_GATE.shut()
    try:
        Registry({"late": "app.testing.faulty_import:FaultyImportIntegration"}, installed=tuple)
        assert not IMPORT_GATE.reached.is_set()
    finally:
        IMPORT_GATE.open()


async def test_imports_run_in_a_daemon_thread() -> None:
    seen: list[tuple[str, bool]] = []

    def look() -> tuple[EntryPoint, ...]:
        seen.append((threading.current_thread().name, threading.current_thread().daemon))
        return (entry("fault", FAULT),)

    await Registry({}, installed=look).load("fault")
    assert seen == [("load:fault", True)]


def test_kinds_tells_where_each_comes_from() -> None:
    found = registry({"a": FAULT, "b": FAULT}, entry("b", "x:Y"), entry("c", "x:Z"))
    assert found.kinds() == {"a": "built-in", "b": "built-in", "c": "x:Z"}
