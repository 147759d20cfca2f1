"""What a visitor chooses: it is kept from page to page, and no page writes over it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.pages.runs import panel
from app.ui.state import Key
from dsanet_core.records import Run
from tests.app.conftest import OpenPage, go, settle
from tests.app.run_fixtures import put, real_runs, runs_folder

__all__ = ["real_runs", "runs_folder"]

SAMPLE = "sample-15"
OF_ONE_VIDEO = ("inspect", "compare", "kernels", "dependencies", "explain", "whatif", "zoo")
OF_A_DATASET = ("runs", "categories", "layers", "errors")
KINDS = ("multiselect", "number_input", "segmented_control", "select_slider", "selectbox",
         "slider", "text_input", "toggle")


def inputs(at: AppTest) -> Iterator[Any]:
    for kind in KINDS:
        yield from at.get(kind)


def written_over(at: AppTest) -> list[str]:
    """Labels of the inputs in which this drawing replaces what the browser has."""
    return [each.label for each in inputs(at) if each.proto.set_value]


@pytest.fixture(autouse=True)
def runs_of_a_dataset(runs_folder: Path, real_runs: tuple[Path, list[Run]]) -> None:
    put(runs_folder, *real_runs[1])


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("page", [*OF_ONE_VIDEO, *OF_A_DATASET])
def test_a_page_that_is_drawn_again_writes_over_no_input(open_page: OpenPage, page: str) -> None:
    """A browser may be ahead: who types while a page is drawn must not lose it."""
    at = open_page(page, video=SAMPLE)
    assert len(list(inputs(at))) > 0
    assert not written_over(settle(at.run()))
    # Nor where another input has changed meanwhile.
    for name in (each.label for each in inputs(at)):
        again = next(each for each in inputs(at) if each.label == name)
        again.set_value(again.value)
        assert not written_over(at.run()), name


def test_a_page_that_ends_early_writes_its_address_all_the_same(open_page: OpenPage) -> None:
    at = open_page("dependencies", video=SAMPLE, model="i3d_synth")
    assert "has no SDA blocks" in at.info[0].value
    at.selectbox(Key.MODEL).set_value("dsa_i3d_synth")
    at = settle(at.run())
    assert "has no SDA blocks" in at.info[0].value
    assert at.query_params["model"] == "dsa_i3d_synth"


def count_of_videos(at: AppTest) -> Any:
    return next(each for each in at.number_input if each.label == "Number of videos")


def choose_videos_of(at: AppTest, kind: str) -> AppTest:
    chooser = next(each for each in at.segmented_control if each.label == "Videos")
    return chooser.set_value(kind).run()


@pytest.mark.usefixtures("few_rows")
def test_what_was_typed_is_there_after_other_pages_and_after_it_was_hidden(
    open_page: OpenPage,
) -> None:
    at = open_page("runs")
    for number, elsewhere in ((60, "zoo"), (61, "categories")):
        count_of_videos(at).set_value(number).run()
        at = go(go(at, elsewhere).run(), "runs")
        assert count_of_videos(at).value == number
        assert count_of_videos(at).proto.set_value  # the browser has a new input and must be told
    count_of_videos(at).set_value(62).run()
    at = choose_videos_of(at, panel.FILES)
    at.run()
    at = choose_videos_of(at, panel.BENCHMARK)
    assert count_of_videos(at).value == 62
    assert count_of_videos(at).proto.set_value
    assert not written_over(at.run())
