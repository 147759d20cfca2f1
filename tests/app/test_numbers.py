"""The numbers on the pages, computed another way: from Parquet shards alone, by scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score
from streamlit.testing.v1 import AppTest

from app.pages.categories.text import ALL
from app.server import runs
from dsanet_core.records import Array, Run
from tests.app.conftest import OpenPage, page_text
from tests.app.run_fixtures import real_runs

__all__ = ["real_runs"]


@pytest.fixture
def tables(
    real_runs: tuple[Path, list[Run]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, pd.DataFrame]:
    """Per run: its shards as one table, with what they say; the app shows these runs."""
    folder, made = real_runs
    monkeypatch.setattr(runs, "FOLDER", folder)
    found = {}
    for run in made:
        shards = (folder / run.id).glob("videos.*.parquet")
        table = pd.concat(pd.read_parquet(shard) for shard in shards).sort_values("row")
        scores = np.stack(table["scores"])
        table["predicted"], table["confidence"] = scores.argmax(1), scores.max(1)
        found[run.id] = table
    return found


def figures(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(drawn.proto.spec) for drawn in at.get("plotly_chart")]


def recalls(table: pd.DataFrame) -> dict[int, float]:
    labels = sorted(set(table["label"]))
    found = recall_score(table["label"], table["predicted"], labels=labels, average=None)
    return dict(zip(labels, found, strict=True))


def test_categories_shows_the_recalls_of_scikit_learn_and_the_shards_mean_weights(
    open_page: OpenPage, tables: dict[str, pd.DataFrame]
) -> None:
    at = open_page("categories", runs="~".join(tables), shown=ALL)
    assert not at.error
    drawn = figures(at)[0]["data"]
    bars = [trace for trace in drawn if trace["type"] == "bar"]
    assert len(bars) == 2
    for trace, table in zip(bars, tables.values(), strict=True):
        expected = recalls(table)
        shown = {data[0]: x for data, x in zip(trace["customdata"], trace["x"], strict=True)}
        assert shown == pytest.approx({label: 100 * value for label, value in expected.items()})
    (table,) = (t for t in tables.values() if len(t["dependency_weights"].iloc[0]))
    weights = np.stack(table["dependency_weights"]).reshape(len(table), -1, 4).mean(1)
    means = pd.DataFrame(weights).groupby(table["label"].to_numpy()).mean()
    centred = 100 * (means - means.mean())
    lines = [trace for trace in drawn if trace["type"] == "scatter" and len(trace["name"]) <= 4]
    assert [trace["name"] for trace in lines] == ["LST", "LT", "LS", "S122"]
    for place, trace in enumerate(lines):
        pairs = zip(trace["customdata"], trace["x"], strict=True)
        shown = {data[0]: x for data, x in pairs if x is not None}
        assert shown == pytest.approx(centred[place].to_dict(), abs=2e-4)


def test_errors_shows_the_confusions_accuracy_and_calibration_of_scikit_learn(
    open_page: OpenPage, tables: dict[str, pd.DataFrame]
) -> None:
    for run_id, table in tables.items():
        at = open_page("errors", run=run_id)
        assert not at.error
        truth, said = table["label"], table["predicted"]
        right = accuracy_score(truth, said, normalize=False)
        assert f"{int(right)} of {len(table)} videos correct" in page_text(at)
        drawn = figures(at)
        expected = confusion_matrix(truth, said, labels=range(25))
        marks = next(
            trace for figure in drawn for trace in figure["data"]
            if trace.get("marker", {}).get("symbol") == "square" and "customdata" in trace
            and len(trace["customdata"][0]) == 5
        )
        for true, predicted, _, _, words in marks["customdata"]:
            if predicted >= 0 and expected[true].sum():
                assert words.startswith(f"{expected[true, predicted]} of {expected[true].sum()} ")
        # Guo et al. leave 0 out of a bin and 1 in, scikit-learn the other way round; no confidence
        # of these networks lies on an edge.
        accuracy, confidence = calibration_curve(
            said == truth, table["confidence"], n_bins=15, strategy="uniform"
        )
        curve = next(t for t in drawn[-1]["data"] if t.get("mode") == "lines+markers")
        np.testing.assert_allclose(plain(curve["y"]), accuracy, atol=1e-6)
        np.testing.assert_allclose(plain(curve["x"]), confidence, atol=1e-6)


def test_errors_compares_two_runs_as_the_binomial_test_does(
    open_page: OpenPage, tables: dict[str, pd.DataFrame]
) -> None:
    first, second = tables
    a, b = ((t["label"] == t["predicted"]).to_numpy() for t in tables.values())
    at = open_page("errors", run=first, against=second)
    assert not at.error
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    said = page_text(at)
    assert f"b = {only_a} videos" in said and f"c = {only_b} only" in said
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    shown = said.split("p = ")[1].split(",")[0]
    assert float(shown) == pytest.approx(p, rel=0.06)


def plain(values: Any) -> Array:
    """A list, or an array as Plotly packs it."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values)
