"""Files that the pages of one video give: the records of the analyses that they show."""

from __future__ import annotations

import numpy as np
import pytest

from app.server import samples
from dsanet_core import checkpoints
from dsanet_core.analysis import analyze
from dsanet_core.records import Analysis
from dsanet_core.report import text
from dsanet_core.serialize import (
    analysis_from_json,
    analysis_to_csv,
    dependencies_to_csv,
    kernels_to_csv,
)
from tests.app.conftest import Download, OpenPage
from tests.report.parsed import Page

SAMPLE = "sample-15"
CSV = {
    "scores": analysis_to_csv,
    "kernels": kernels_to_csv,
    "dependencies": dependencies_to_csv,
}


@pytest.mark.parametrize(
    ("page", "models", "table"),
    [
        ("inspect", ["dsa_i3d_synth"], "scores"),
        ("compare", ["dsa_i3d_synth", "sda_tsn_synth"], "scores"),
        ("kernels", ["dsa_i3d_synth"], "kernels"),
        ("dependencies", ["sda_tsn_synth"], "dependencies"),
    ],
)
def test_every_page_exports_the_data_of_the_analyses_it_shows(
    open_page: OpenPage, download: Download, page: str, models: list[str], table: str
) -> None:
    at = open_page(page, video=SAMPLE, model=models[0], other=models[-1])
    expected = [analyze(samples.clip(15), checkpoints.load_model(name)) for name in models]
    for here in expected:
        name = text.escape(here.model.name)
        exported = analysis_from_json(download(at, f"{name}: all data (JSON)"))
        check_same(exported, here)
        assert download(at, f"{name}: {table} (CSV)") == CSV[table](exported)
    has_report = page in ("inspect", "compare")
    assert len(at.download_button) == 2 * len(models) + has_report
    if has_report:
        scripts = Page(download(at, "Report (HTML)")).scripts
        for place, here in enumerate(expected, 1):
            check_same(analysis_from_json(scripts[f"analysis-{place}"]), here)
        assert f"analysis-{len(expected) + 1}" not in scripts


def check_same(found: Analysis, here: Analysis) -> None:
    """The record of the same model on the same video, with the same numbers."""
    assert (found.model, found.video.sha256) == (here.model, here.video.sha256)
    np.testing.assert_allclose(found.snippet_scores, here.snippet_scores, atol=1e-6)
    np.testing.assert_array_equal(found.frame_index, here.frame_index)
    for kernel, same in zip(found.kernels, here.kernels, strict=True):
        np.testing.assert_allclose(kernel.values, same.values, atol=1e-5)
    for selection, same in zip(found.selections, here.selections, strict=True):
        np.testing.assert_allclose(selection.weights, same.weights, atol=1e-5)
