"""Make the Python code for protos/ (see `make protos`). The same input gives the same bytes."""

import re
import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "protos"
PACKAGE = "app.api.grpc.generated"
TARGET = ROOT / "backend" / PACKAGE.replace(".", "/")

_INIT = '"""Made by `make protos` from protos/: change those instead."""\n'
# protoc names modules by the path of the .proto file; here they stand inside a package.
_IMPORT = re.compile(r"^from llm_platform\.v1 import", re.MULTILINE)


def make(target: Path) -> None:
    """Write the generated package into `target`. Raises RuntimeError when protoc finds a fault."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    target.mkdir(parents=True, exist_ok=True)
    outputs = [f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main(["protoc", f"-I{PROTOS}", *outputs, *sources]) != 0:
        raise RuntimeError("protoc failed")
    for path in (target / "llm_platform" / "v1").glob("*.py*"):
        path.write_text(_IMPORT.sub(f"from {PACKAGE}.llm_platform.v1 import", path.read_text()))
    for folder in (target, target / "llm_platform", target / "llm_platform" / "v1"):
        (folder / "__init__.py").write_text(_INIT)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
