"""Figures on the pages of one video hold the numbers of the analysis that is made here."""

from __future__ import annotations

from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from app.server import samples
from dsanet_core import checkpoints
from dsanet_core.analysis import analyze
from dsanet_core.attribution import attribute, faithfulness
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Analysis, Array, Clips
from dsanet_core.text_format import percent
from dsanet_core.video import read_clips
from tests.app.conftest import OpenPage, figures, numbers, settle

SAMPLE = "sample-15"


def network(name: str) -> VideoNetwork:
    return checkpoints.load_model(name, device="cpu")


def analysis(name: str) -> Analysis:
    return analyze(samples.clip(15), network(name))


def clips_for(name: str) -> Clips:
    return read_clips(samples.clip(15), network(name).spec.protocol.sampling)


def drawn(at: AppTest, axis: str) -> list[Array]:
    """What the traces of all figures have along an axis, as far as it is numbers."""
    traces: list[dict[str, Any]] = [trace for each in figures(at) for trace in each["data"]]
    arrays = [numbers(trace[axis]) for trace in traces if axis in trace]
    return [array.astype(float) for array in arrays if array.dtype.kind in "fiu"]


def holds(arrays: list[Array], expected: Array) -> bool:
    return any(
        array.shape == np.shape(expected) and np.allclose(array, expected, atol=1e-5)
        for array in arrays
    )


def test_inspect_draws_the_scores_of_the_snippets_and_of_the_video(open_page: OpenPage) -> None:
    at, expected = open_page(video=SAMPLE), analysis("dsa_i3d_synth")
    best = int(expected.video_scores.argmax())
    assert holds(drawn(at, "y"), expected.snippet_scores[:, best])
    assert holds(drawn(at, "y"), np.repeat(expected.video_scores[best], 2))
    assert holds(drawn(at, "x"), np.sort(expected.video_scores)[:-6:-1])


def test_compare_draws_the_best_class_of_each_snippet_by_either_model(open_page: OpenPage) -> None:
    at = open_page("compare", video=SAMPLE, other="i3d_synth")
    texts = [trace["text"] for trace in figures(at)[0]["data"] if "text" in trace]
    cells = [cell for text in texts for cell in np.ravel(np.array(text, object))]
    for name in ("dsa_i3d_synth", "i3d_synth"):
        expected = analysis(name)
        for scores in (*expected.snippet_scores, expected.video_scores):
            assert any(percent(scores.max()) in cell for cell in cells)


def test_kernels_draws_the_taps_of_the_chosen_block(open_page: OpenPage) -> None:
    at, expected = open_page("kernels", video=SAMPLE), analysis("dsa_i3d_synth")
    first, second = expected.kernels
    assert holds(drawn(at, "z"), first.values[0].T)
    assert not holds(drawn(at, "z"), second.values[0].T)
    for distances in ("distance_to_identity", "distance_to_average"):
        assert holds(drawn(at, "x"), [getattr(each, distances) for each in expected.kernels])
    at = settle(at.selectbox(key="block").set_value(second.block).run())
    assert holds(drawn(at, "z"), second.values[0].T)


def test_dependencies_draws_the_weights_of_every_block(open_page: OpenPage) -> None:
    at = open_page("dependencies", video=SAMPLE, model="sda_tsn_synth")
    expected = analysis("sda_tsn_synth").selections
    for column in range(4):
        assert holds(drawn(at, "y"), [float(each.weights[0, column]) for each in expected])
    most = max(expected, key=lambda selection: selection.gate_change.mean())
    assert holds(drawn(at, "y"), most.gate[0].mean((1, 2), dtype=np.float64))


def test_explain_draws_the_curves_of_its_own_map(open_page: OpenPage) -> None:
    at = open_page("explain", video=SAMPLE, model="sda_tsn_synth", curves="1")
    clips, here = clips_for("sda_tsn_synth"), network("sda_tsn_synth")
    expected = faithfulness(clips, here, attribute(clips, here, "grad_cam"))
    for curve in (expected.insertion, expected.deletion):
        assert holds(drawn(at, "y"), curve)
