"""The generated code is what `make protos` makes of protos/ now."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from app.api.grpc.front_end import GrpcSettings

ROOT = Path(__file__).parents[3]
GENERATED = ROOT / "backend/app/api/grpc/generated"


def make_protos() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_protos", ROOT / "scripts/make_protos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py*") if path.suffix != ".pyc"
    }


def test_it_is_current(tmp_path: Path) -> None:
    make_protos().make(tmp_path)
    made = files(tmp_path)
    assert "llm_platform/v1/inference_pb2_grpc.py" in made
    assert made == files(GENERATED), "run `make protos`"


def test_every_method_is_explained() -> None:
    """The comments are the reference: each method has one, and each service's file begins with one."""
    for path in (ROOT / "protos").rglob("*.proto"):
        text = path.read_text("utf-8")
        assert text.startswith("// "), path.name
        for method in re.finditer(r"(.*)\n  rpc (\w+)", text):
            assert method[1].strip().startswith("//"), f"{path.name}: {method[2]}"


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs/grpc.md").read_text("utf-8")
    documented = {
        name for row in re.findall(r"^\|(.*?)\|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert documented == set(GrpcSettings.model_fields)
