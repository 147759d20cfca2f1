"""`models --complexity`: the papers' figures beside those counted here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dsanet_core import catalogue, cli
from dsanet_core.catalogue import PaperComparison
from dsanet_core.zoo.paper_tables import paper_rows


@pytest.fixture
def show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What the command prints for a few rows: one matched, one not built, one not matched."""
    rows = {(r.table, r.label, r.protocol): r for r in paper_rows()}
    chosen = [
        rows["4", "TEA", "8×10×3"],
        replace(rows["4", "DSA+I3D, 4×8", "4×8×3"], remark="a note"),
        rows["1", "LST", "8×1×1"],
        rows["3", "GST", "8×1×1"],
    ]
    monkeypatch.setattr(catalogue, "paper_rows", lambda: chosen)

    def show_(*arguments: str) -> str:
        assert cli.main(["models", "--complexity", *arguments]) == 0
        return capsys.readouterr().out

    return show_


def test_the_papers_figures_stand_beside_ours(show: Callable[..., str]) -> None:
    lines = [" ".join(line.split()) for line in show().splitlines()]
    assert "LST 8×1×1 24.6 24.58 M 33.7 33.54 G -0.5%" in lines
    assert "DSA+I3D, 4×8 4×8×3 - 32.45 M 83.8 83.49 G -0.4%" in lines
    assert "TEA 8×10×3 - - 35 -" in lines
    assert "GST 8×1×1 21.0 21.04 M 29.5 29.00 G -1.7% not matched" in lines


def test_rows_stand_under_their_tables_with_notes_and_reasons(show: Callable[..., str]) -> None:
    shown = show()
    heads = [f"{paper}, Table {n}" for paper, n in (("DSANet", 4), ("SDA", 1), ("SDA", 3))]
    assert [shown.index(head) for head in heads] == sorted(shown.index(head) for head in heads)
    assert "Note on DSA+I3D, 4×8: a note." in shown
    end = " ".join(shown[shown.index("2 rows match, 1 do not:") :].split())
    assert "SDA, Table 3, GST 8×1×1: the figure is that of the GST paper" in end
    assert all(line == line.rstrip() and len(line) <= 100 for line in shown.splitlines())


def test_json_holds_the_comparison_itself(show: Callable[..., str]) -> None:
    entries: list[dict[str, Any]] = json.loads(show("--json"))
    comparisons: list[PaperComparison] = catalogue.compare_with_papers()
    assert [entry["matched"] for entry in entries] == [None, True, True, False]
    for entry, comparison in zip(entries, comparisons, strict=True):
        assert entry["label"] == comparison.row.label
        assert entry["counted"]["params"] == comparison.params
        assert entry["macs_error"] == comparison.macs_error
        assert entry["printed"]["gmacs_per_view"] == comparison.row.macs
    lst = entries[2]["networks"][0]
    assert lst["args"]["sda"]["dependencies"] == ["LST"]
    assert lst["input_shape"] == [1, 8, 3, 1, 224, 224]
