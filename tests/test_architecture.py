"""The floors of the code, read from the imports of every file; each test lists every offender."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "atomic": 0,
    "errors": 0,
    "text_format": 0,
    "child_process": 0,
    "records": 0,
    "version": 0,
    "hooks": 0,
    "json_values": 0,
    "lazy": 0,
    "video": 1,
    "models": 1,
    "serialize": 1,
    "synthetic": 1,
    "workers": 1,
    "devices": 1,
    "inference": 2,
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
    "figures": 8,
    "report": 9,
    "cli": 10,
    "__main__": 11,
    "__init__": 11,
}
RETIRED_NAMES = {
    "CALM", "CONSENSUS", "Desk", "Easel", "House", "Patience", "SETTLED", "Shelf", "Workroom",
    "leash", "obituary", "plus", "spread", "squeezes", "sums", "talk",
}  # fmt: skip
RETIRED_MODULES = {
    "absent", "brought", "cloakroom", "explained", "fast", "folding", "fused", "house", "inside",
    "public", "published", "syscalls", "tidy", "warm_server", "why",
}  # fmt: skip
"""Names that readers could not place; each has one from the field now."""
RETIRED_FILES = (
    "app/server/answers.py", "app/server/jobs.py", "dsanet_core/runs/answers.py",
    "dsanet_core/runs/effects.py", "dsanet_core/runs/report.py", "dsanet_core/training/average.py",
    "dsanet_core/training/checks.py", "dsanet_core/training/job.py",
    "dsanet_core/training/start.py", "dsanet_core/video/source.py",
)  # fmt: skip
SOURCES = sorted(
    path
    for folder in ("app", "dsanet_core", "tests", "tools")
    for path in (ROOT / folder).rglob("*.py")
) + sorted(ROOT.glob("*.py"))
CORE = [path for path in SOURCES if path.is_relative_to(ROOT / "dsanet_core")]
APP = [path for path in SOURCES if path.is_relative_to(ROOT / "app")]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def dotted(path: Path) -> list[str]:
    """Module path from the root, a package's `__init__` as a part of its own."""
    return list(path.relative_to(ROOT).with_suffix("").parts)


def package_of(parts: list[str]) -> str:
    """The top-level module or package of dsanet_core that a module path leads to."""
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path, source: str | None = None) -> Iterator[list[str]]:
    """Every module a file imports, anywhere in it, relative imports resolved."""
    tree = tree_of(path) if source is None else ast.parse(source)
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
    """Imports of a file of dsanet_core that the floor of its package forbids."""
    here = package_of(dotted(path))
    if here not in FLOORS:
        return [f"{name_of(path)}: give the new package {here} a floor"]
    found = []
    for module in imports(path, source):
        if module[0] != "dsanet_core":
            continue
        there = package_of(module)
        if there == here or (here == "__init__" and there in FLOORS):
            continue
        if FLOORS.get(there, 99) >= FLOORS[here]:
            found.append(f"{name_of(path)}: {here} (floor {FLOORS[here]}) imports {there}")
    return found


def test_a_package_imports_only_lower_floors() -> None:
    assert [offence for path in CORE for offence in violations(path)] == []


def test_the_check_sees_upward_sideways_and_relative_imports() -> None:
    core = ROOT / "dsanet_core"
    assert violations(core / "video" / "x.py", "from dsanet_core.models import dsa")
    assert violations(core / "models" / "x.py", "def f():\n    from dsanet_core import analysis")
    assert violations(core / "zoo.py", "from . import cli")
    assert violations(core / "video" / "x.py", "from ..runs import y")
    assert violations(core / "unheard_of" / "x.py", "import torch")
    assert not violations(core / "zoo.py", "from .models.dsa import DSA\nimport torch")


def test_streamlit_and_the_app_stay_out_of_the_core() -> None:
    offenders = [
        (name_of(path), ".".join(module))
        for path in CORE
        for module in imports(path)
        if module[0] in ("streamlit", "app")
    ]
    assert offenders == []


def test_figures_see_records_numpy_and_plotly_alone() -> None:
    core = ("records", "errors", "text_format", "figures")
    others = sys.stdlib_module_names | {"numpy", "plotly"}
    figures = [path for path in CORE if package_of(dotted(path)) == "figures"]
    offenders = [
        (name_of(path), ".".join(module))
        for path in figures
        for module in imports(path)
        if not (module[1] in core if module[0] == "dsanet_core" else module[0] in others)
    ]
    assert figures
    assert offenders == []


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def app_violations(path: Path, source: str | None = None) -> list[str]:
    """Imports of a file of app that its floor forbids: pages -> ui -> server -> dsanet_core, and
    no page imports another page's folder."""
    floors = ("server", "ui", "pages")
    here = dotted(path)[1:]
    found = []
    for module in imports(path, source):
        there = module[1:]
        if module[0] != "app" or not there or there[0] not in floors or here[0] not in floors:
            continue
        is_upward = floors.index(there[0]) > floors.index(here[0])
        is_sideways = here[0] == there[0] == "pages" and here[1:2] != there[1:2]
        if is_upward or is_sideways:
            found.append(f"{name_of(path)} imports {'.'.join(module)}")
    return found


def test_pages_stand_on_ui_and_ui_on_server_and_no_page_on_another() -> None:
    assert [offence for path in APP for offence in app_violations(path)] == []


def test_the_check_sees_upward_and_sideways_imports_of_the_app() -> None:
    app = ROOT / "app"
    assert app_violations(app / "server" / "x.py", "from app.ui import state")
    assert app_violations(app / "ui" / "x.py", "def f():\n    import app.pages.runs.table")
    assert app_violations(app / "pages" / "runs" / "x.py", "from app.pages.errors import text")
    assert app_violations(app / "pages" / "inspect.py", "from app.pages.errors import text")
    assert not app_violations(app / "pages" / "runs" / "x.py", "from app.pages.runs import table")
    assert not app_violations(app / "pages" / "x.py", "import app\nfrom app.server import runs")


def test_streamlit_stays_out_of_texts_selections_and_the_server() -> None:
    """`app.server.runtime` alone holds the handles of the running server."""
    plain = [
        path
        for path in APP
        if path.name in ("text.py", "selection.py")
        or (path.is_relative_to(ROOT / "app" / "server") and path.name != "runtime.py")
    ]
    assert len(plain) > 20
    assert [name_of(path) for path in plain for m in imports(path) if m[0] == "streamlit"] == []


def defined_names(path: Path) -> Iterator[str]:
    """Functions, classes, and what the file assigns at its top level."""
    tree = tree_of(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def test_no_retired_name_is_given_again() -> None:
    names = [
        (name_of(path), name)
        for path in SOURCES
        for name in defined_names(path)
        if name.strip("_") in RETIRED_NAMES
    ]
    modules = [
        name_of(path)
        for path in SOURCES
        if RETIRED_MODULES & {path.stem, *path.relative_to(ROOT).parts}
        and path.relative_to(ROOT).parts[0] in ("app", "dsanet_core")
    ]
    files = [name for name in RETIRED_FILES if (ROOT / name).exists()]
    assert (names, modules, files) == ([], [], [])


def test_docstrings_are_statements() -> None:
    """A noun phrase or a verb, not a question without its mark."""
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    offenders = [
        (name_of(path), getattr(node, "name", ""), text.partition("\n")[0])
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] in ("app", "dsanet_core", "tools")
        for node in ast.walk(tree_of(path))
        if isinstance(node, nodes) and (text := ast.get_docstring(node) or "")
        if text.startswith(("What ", "How ", "Whether "))
    ]
    assert offenders == []
