"""Small files, short functions: the house's measures, printed and held."""

import ast
from pathlib import Path
from statistics import median

APP = Path(__file__).parents[2] / "app"
FILES = sorted(path for path in APP.rglob("*.py") if "generated" not in path.parts)


def test_files_are_small() -> None:
    lines = {path.relative_to(APP): len(path.read_text("utf-8").splitlines()) for path in FILES}
    print(f"\n{len(lines)} files, median {median(lines.values()):.0f} lines, largest {max(lines.values())}")
    assert [f"{path}: {count} lines" for path, count in lines.items() if count > 300] == []
    assert median(lines.values()) <= 150


def test_functions_are_short() -> None:
    lengths = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(APP)}:{node.lineno} {node.name}"
                lengths[name] = (node.end_lineno or node.lineno) - node.lineno + 1
    print(
        f"\n{len(lengths)} functions, median {median(lengths.values()):.0f} lines, longest {max(lengths.values())}"
    )
    assert [f"{name}: {count} lines" for name, count in lengths.items() if count > 50] == []
    assert median(lengths.values()) <= 10
