"""Run docs/tour.py cell by cell and write its output: `python -m tools.tour`.

Gives docs/tour.md and the pictures in docs/tour/, drawn by a Chromium (`make test` finds one).
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "tour.py"
PAGE = ROOT / "docs" / "tour.md"
PICTURES = ROOT / "docs" / "tour"
WIDTH = 900
_MARK = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


@dataclass
class Cell:
    """A cell of the script: text, or code with its output and its last figure."""

    is_text: bool
    source: str
    printed: str = ""
    figure: go.Figure | None = field(default=None, repr=False)


def cells(script: str) -> list[Cell]:
    """The cells of a script in the percent format, in order."""
    _, *parts = _MARK.split(script)
    found = []
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        source = body.strip()
        if kind:
            source = "\n".join(line.removeprefix("#").removeprefix(" ")
                               for line in source.splitlines())
        found.append(Cell(bool(kind), source))
    return found


def execute(found: list[Cell]) -> Iterator[Cell]:
    """Run the code of the cells in one namespace; each is returned with its output."""
    names: dict[str, Any] = {"__name__": "tour"}
    for cell in found:
        if not cell.is_text:
            *statements, last = ast.parse(cell.source).body
            out = io.StringIO()
            with redirect_stdout(out):
                exec(compile(ast.Module(statements, []), str(SCRIPT), "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), str(SCRIPT), "eval"), names)
                    cell.figure = value if isinstance(value, go.Figure) else None
                else:
                    exec(compile(ast.Module([last], []), str(SCRIPT), "exec"), names)
            cell.printed = out.getvalue()
        yield cell


def page(found: list[Cell]) -> str:
    """The tour as Markdown; figures are counted from 1."""
    parts, drawn = [], 0
    for cell in found:
        if cell.is_text:
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if cell.printed:
            parts.append(f"```text\n{cell.printed.rstrip()}\n```")
        if cell.figure is not None:
            drawn += 1
            parts.append(f"![Figure {drawn}](tour/{drawn:02}.png)")
    return "\n\n".join(parts) + "\n"


def draw(figures: list[go.Figure]) -> None:
    """Each figure as a picture on white, as wide as the page of a repository."""
    from tools.browser import required_chromium

    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with required_chromium() as browser:
        tab = browser.new_page(viewport={"width": WIDTH, "height": 600})
        for number, figure in enumerate(figures, 1):
            figure.update_layout(
                template=go.layout.Template(), paper_bgcolor="#FFFFFF",
                font={"color": "#1B2430", "size": 13},
            )  # fmt: skip
            tab.set_content(figure.to_html(include_plotlyjs=True, full_html=True,
                                           config={"displayModeBar": False}))
            tab.locator(".main-svg").first.wait_for()
            tab.wait_for_timeout(300)
            tab.locator(".js-plotly-plot").screenshot(path=PICTURES / f"{number:02}.png")


def main() -> None:
    found = list(execute(cells(SCRIPT.read_text(encoding="utf-8"))))
    draw([cell.figure for cell in found if cell.figure is not None])
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
