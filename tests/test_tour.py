"""The tour in docs/ runs as it stands, and its page shows the script's cells."""

from __future__ import annotations

import re

import pytest

from tools import tour

CELLS = tour.cells(tour.SCRIPT.read_text(encoding="utf-8"))
PAGE = tour.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def executed() -> list[tour.Cell]:
    return list(tour.execute(tour.cells(tour.SCRIPT.read_text(encoding="utf-8"))))


def test_the_page_has_every_cell_of_the_script_in_order() -> None:
    place = 0
    for cell in CELLS:
        place = PAGE.index(cell.source, place) + len(cell.source)
    assert sum(not cell.is_text for cell in CELLS) > 10


def test_every_picture_of_the_page_is_there() -> None:
    named = re.findall(r"!\[Figure \d+\]\(tour/(\d\d\.png)\)", PAGE)
    assert named == sorted(path.name for path in tour.PICTURES.glob("*.png"))
    assert len(named) >= 10


def test_the_tour_runs_and_draws_what_the_page_shows(executed: list[tour.Cell]) -> None:
    figures = [cell for cell in executed if cell.figure is not None]
    assert len(figures) == PAGE.count("](tour/")
    said = [_without_numbers(line) for cell in executed for line in cell.printed.splitlines()]
    printed = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    shown = [_without_numbers(line) for part in printed for line in part.splitlines()]
    assert said[0].strip() == shown[0].strip() and len(said) == len(shown)


def test_exchanged_halves_are_seen_by_the_network_of_the_tour(executed: list[tour.Cell]) -> None:
    printed = next(cell.printed for cell in executed if "swap_halves" in cell.source)
    before, after = (line.split(": ")[1] for line in printed.splitlines())
    assert before == "Moving something left, then back to the right"
    assert after == "Moving something right, then back to the left"


def test_cells_keep_their_code_and_text_apart() -> None:
    found = tour.cells("# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1  # one\n")
    assert [(cell.is_text, cell.source) for cell in found] == [
        (True, "# Title\n\ntext"),
        (False, "x = 1  # one"),
    ]


def _without_numbers(line: str) -> str:
    """Another processor rounds otherwise."""
    return re.sub(r"[\d.]+", "0", line)


