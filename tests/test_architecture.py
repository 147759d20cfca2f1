"""The floors of the house, read from the imports of every file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "errors": 0,
    "records": 0,
    "version": 0,
    "hooks": 0,
    "lazy": 0,
    "video": 1,
    "models": 1,
    "serialize": 1,
    "synthetic": 1,
    "workers": 1,
    "devices": 1,
    "zoo": 2,
    "datasets": 2,
    "familiarity": 2,
    "counting": 2,
    "checkpoints": 3,
    "catalogue": 3,
    "analysis": 4,
    "untrimmed": 5,
    "attribution": 5,
    "whatif": 5,
    "ensemble": 6,
    "runs": 7,
    "training": 8,
    "bench": 8,
    "figures": 8,
    "report": 9,
    "cli": 10,
    "__main__": 11,
    "__init__": 11,
}
SOURCES = sorted(
    path
    for folder in ("app", "dsanet_core", "tests", "tools")
    for path in (ROOT / folder).rglob("*.py")
) + sorted(ROOT.glob("*.py"))
CORE = [path for path in SOURCES if path.is_relative_to(ROOT / "dsanet_core")]


def dotted(path: Path) -> list[str]:
    """Module path from the root, a package's `__init__` as a part of its own."""
    return list(path.relative_to(ROOT).with_suffix("").parts)


def room(parts: list[str]) -> str:
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path, source: str | None = None) -> Iterator[list[str]]:
    """Every module a file imports, anywhere in it, relative imports resolved."""
    tree = ast.parse(path.read_text() if source is None else source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = dotted(path)[: -node.level] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            if module == ["dsanet_core"] or (node.level and not node.module):
                yield from ([*module, alias.name] for alias in node.names)
            else:
                yield module


def violations(path: Path, source: str | None = None) -> list[str]:
    """What a file of dsanet_core imports and must not, given the floor of its room."""
    here = room(dotted(path))
    found = []
    for module in imports(path, source):
        if module[0] != "dsanet_core":
            continue
        there = room(module)
        if there == here or (here == "__init__" and there in FLOORS):
            continue
        if FLOORS.get(there, 99) >= FLOORS[here]:
            found.append(f"{here} (floor {FLOORS[here]}) imports {there}")
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_stands_only_on_lower_floors(path: Path) -> None:
    assert room(dotted(path)) in FLOORS, "give the new room a floor"
    assert violations(path) == []


def test_the_check_sees_upward_sideways_and_relative_imports() -> None:
    core = ROOT / "dsanet_core"
    assert violations(core / "video" / "x.py", "from dsanet_core.models import dsa")
    assert violations(core / "models" / "x.py", "def f():\n    from dsanet_core import analysis")
    assert violations(core / "zoo.py", "from . import cli")
    assert violations(core / "video" / "x.py", "from ..runs import y")
    assert not violations(core / "zoo.py", "from .models.dsa import DSA\nimport torch")


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_streamlit_stays_out_of_the_core(path: Path) -> None:
    assert not any(module[0] in ("streamlit", "app") for module in imports(path))


@pytest.mark.parametrize(
    "path",
    [path for path in CORE if room(dotted(path)) == "figures"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_figures_see_records_numpy_and_plotly_alone(path: Path) -> None:
    allowed = {("dsanet_core", "records"), ("dsanet_core", "errors"), ("dsanet_core", "figures")}
    for module in imports(path):
        if module[0] == "dsanet_core":
            assert tuple(module[:2]) in allowed, module
        else:
            assert module[0] in sys.stdlib_module_names | {"numpy", "plotly"}, module


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
