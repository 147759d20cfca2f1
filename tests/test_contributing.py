"""The list "Where is ...?" of CONTRIBUTING.md: every file is there and defines the name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| ([^|]+) \| `([\w/.]+)` \| `(\w+)` \|$", TEXT)


def defined(path: Path) -> set[str]:
    """Classes, functions and constants that the module of this path defines itself."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_every_behaviour_of_the_list_is_where_it_says() -> None:
    assert len(ROWS) >= 30 and len({behaviour for behaviour, _, _ in ROWS}) == len(ROWS)
    wrong = [
        (behaviour, path, name)
        for behaviour, path, name in ROWS
        if not (ROOT / path).is_file() or name not in defined(ROOT / path)
    ]
    assert wrong == []


def test_paths_and_modules_of_the_text_exist() -> None:
    named = set(re.findall(r"`((?:app|dsanet_core|tests|tools|docs)/[\w/.]+)`", TEXT))
    assert named and [name for name in sorted(named) if not (ROOT / name).exists()] == []
