"""The page Method: its drawings lead to pages that exist, its sentences are those of the pages."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from app import ROOT, page_file
from app.pages.method import diagrams, text
from dsanet_core.figures import (
    style,
)
from dsanet_core.report import captions
from tests.app.conftest import OpenPage, page_text

DRAWINGS = {"dsa": diagrams.dsa_drawing(), "sda": diagrams.sda_drawing()}


def boxes(drawing: str) -> list[tuple[float, float, float, float]]:
    found = []
    for rect in ElementTree.fromstring(drawing).iter("rect"):
        if rect.get("rx") == "6":
            x, y, width, height = (float(rect.get(name) or 0) for name in
                                   ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawings_parts_stand_apart_and_within_it(name: str) -> None:
    view = ElementTree.fromstring(DRAWINGS[name]).find("svg")
    assert view is not None
    _, _, width, height = map(float, (view.get("viewBox") or "").split())
    found = boxes(DRAWINGS[name])
    assert len(found) >= 10
    assert all(0 <= left < right <= width and 0 <= top < bottom <= height
               for left, top, right, bottom in found)
    for a, b in combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


@pytest.mark.parametrize(("name", "pages"), [
    ("dsa", {"inspect", "compare", "kernels"}),
    ("sda", {"dependencies", "layers"}),
])  # fmt: skip
def test_every_linked_part_says_which_page_it_opens(name: str, pages: set[str]) -> None:
    links = list(ElementTree.fromstring(DRAWINGS[name]).iter("a"))
    assert {link.get("data-page") for link in links} == pages
    for link in links:
        page = link.get("data-page") or ""
        assert page_file(page).is_file()
        assert f"shown on the page {page.capitalize()}" in (link.get("aria-label") or "")


def test_dependencies_have_the_colours_of_the_figures() -> None:
    for colour, _ in style.dependency_marks(("LST", "LT", "LS", "S122")).values():
        assert f'fill="{colour}"' in DRAWINGS["sda"]


def test_the_page_has_equations_differences_words_and_the_readings_of_the_figures(
    open_page: OpenPage,
) -> None:
    at = open_page("method")
    said = page_text(at)
    assert not at.error
    equations = [element.value for element in at.latex]
    numbers = [int(number) for each in equations
               for number in re.findall(r"\\qquad \((\d)\)", each)]
    assert numbers == [2, 3, 4, 2, 3, 5, 6, 7, 8]
    for reading in (captions.KERNEL, captions.GATE_MAPS, captions.timeline()):
        assert reading.removeprefix("How to read it: ")[1:] in said
    for word in ("snippet", "view", "dynamic kernel", "dependency", "run"):
        assert f"**{word}:**" in said
    assert "Interleaved groups of U = 4" in said


def test_every_page_with_figures_is_explained() -> None:
    pages = {path.stem for path in (ROOT / "app" / "pages").iterdir()} - {"__pycache__"}
    with_figures = pages - {"runs", "method"}
    assert set(text.CAPTIONS) == with_figures
