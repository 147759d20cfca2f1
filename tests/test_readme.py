"""The README: short, and true as far as a program can tell."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import dsanet_core as dc
from dsanet_core.checkpoints import read_manifest
from dsanet_core.cli import build_parser
from dsanet_core.datasets.annotations import DATASETS
from tools import embedded

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {path: path.read_text(encoding="utf-8")
             for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
SHOWN = ("dsa_i3d_synth", "v4d_i3d_synth", "tsn_i3d_synth", "sda_tsn_synth", "tsn_synth")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown text."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150
    assert len(README.encode()) <= 12 * 1024


def test_links_of_all_documents_lead_somewhere() -> None:
    dead = []
    for path, text in DOCUMENTS.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?://|mailto:", link):
                continue
            name, _, anchor = link.partition("#")
            target = path.parent / name if name else path
            known = anchors(DOCUMENTS[target.resolve()]) if anchor else {""}
            if not target.exists() or anchor not in known:
                dead.append(f"{path.relative_to(ROOT)}: {link}")
    assert dead == []


def test_commands_of_the_readme_are_understood() -> None:
    lines = re.findall(r"(?m)^    python -m dsanet_core (.+)$", README)
    assert len(lines) >= 8
    for line in lines:
        build_parser().parse_args(shlex.split(line, comments=True))


def test_targets_of_make_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    named = {name for text in DOCUMENTS.values() for name in re.findall(r"`make ([a-z-]+)`", text)}
    assert named <= targets


def test_python_of_the_readme_names_what_there_is() -> None:
    blocks = re.findall(r"(?s)```python\n(.*?)```", README)
    names = {
        node.attr
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name) and node.value.id == "dc"
    }
    assert {"load_model", "analyze", "capture"} <= names <= set(dc.__all__)


def test_figures_of_the_readme_are_those_of_the_shipped_runs() -> None:
    found = embedded.read_all()
    assert embedded.overview(found, SHOWN, ("motion", "order")) in README
    assert all(len(found[name]) == 3 for name in SHOWN)
    assert f"{len(read_manifest())} small embedded models" in README
    assert len(DATASETS) == 9 and "nine published datasets" in README
