"""The papers' printed figures beside what this package counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dsanet_core.catalogue import TOLERANCE, PaperComparison, compare_with_papers
from dsanet_core.zoo import create_model
from dsanet_core.zoo.paper_tables import GST_COUNTER, KINETICS, V1, PaperRow, paper_rows

EQUAL_PARAMS = {("SDA", "1"): 10, ("SDA", "2"): 8, ("SDA", "6"): 10, ("DSANet", "2a"): 5}
"""Tables whose parameters must be the printed digits, and how many rows they have."""
EQUAL_MACS = {("DSANet", "2i"): 3, ("SDA", "1"): 8, ("SDA", "2"): 8, ("SDA", "6"): 10}
"""Tables whose multiply-adds must lie within 1.5%, and how many rows print them."""


@pytest.fixture(scope="module")
def comparisons() -> list[PaperComparison]:
    return compare_with_papers()


def of_table(comparisons: list[PaperComparison], table: tuple[str, str]) -> list[PaperComparison]:
    return [c for c in comparisons if (c.row.paper, c.row.table) == table]


@pytest.mark.parametrize("table", EQUAL_PARAMS, ids=" ".join)
def test_parameters_equal_the_printed_digit(
    comparisons: list[PaperComparison], table: tuple[str, str]
) -> None:
    rows = of_table(comparisons, table)
    assert len(rows) == EQUAL_PARAMS[table]
    for c in rows:
        assert c.params is not None
        assert f"{c.params / 1e6:.1f}" == c.row.params, c.row.label


@pytest.mark.parametrize("table", EQUAL_MACS, ids=" ".join)
def test_multiply_adds_are_within_a_hundredth_and_a_half(
    comparisons: list[PaperComparison], table: tuple[str, str]
) -> None:
    printed = [c for c in of_table(comparisons, table) if c.row.macs]
    assert len(printed) == EQUAL_MACS[table]
    for c in printed:
        assert c.macs == pytest.approx(float(c.row.macs) * 1e9, rel=0.015), c.row.label


def test_the_rows_that_cannot_be_matched_are_these_and_say_why(
    comparisons: list[PaperComparison],
) -> None:
    unmatched = {
        (c.row.paper, c.row.table, c.row.label, c.row.protocol): c.row.remark
        for c in comparisons
        if c.is_matched is False
    }
    assert unmatched == {
        ("SDA", "3", "GST", "8×1×1"): GST_COUNTER,
        ("SDA", "3", "GST", "16×1×1"): GST_COUNTER,
    }


def test_rows_with_nothing_to_compare_are_those_of_table_2h(
    comparisons: list[PaperComparison],
) -> None:
    nothing = {
        (c.row.paper, c.row.table)
        for c in comparisons
        if c.row.networks and c.is_matched is None
    }
    assert nothing == {("DSANet", "2h")}


def test_the_gst_remark_tells_the_truth() -> None:
    network = create_model("gst_r50").to("meta").eval()
    values = 0

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal values
        values += output.numel()

    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.empty(1, 8, 3, 1, 224, 224, device="meta"))
    normalisation = 2 * values / 1e9  # a product and a sum per value
    assert f"{32.70 + normalisation:.1f}" == "32.9"
    assert f"{29.00 + normalisation:.1f}" == "29.2"


def test_an_ensemble_costs_what_its_members_cost(comparisons: list[PaperComparison]) -> None:
    table = {c.row.label: c for c in of_table(comparisons, ("DSANet", "4"))}
    small, large, both = (table[f"DSA+I3D, {size}"] for size in ("4×8", "8×8", "both"))
    assert None not in (small.macs, large.macs, both.macs)
    assert both.macs == (small.macs or 0) + (large.macs or 0)
    assert both.is_matched


def test_networks_that_are_not_built_are_points_of_the_paper_alone(
    comparisons: list[PaperComparison],
) -> None:
    tea = next(c for c in comparisons if (c.row.table, c.row.label) == ("4", "TEA"))
    assert (tea.params, tea.macs, tea.is_matched) == (None, None, None)
    assert (tea.row.video_gmacs, tea.row.top1) == (1050, {KINETICS: 75.0})


@pytest.mark.parametrize(
    ("table", "label", "protocol", "gmacs"),
    [  # as the papers' text multiplies them out
        ("4", "DSA+I3D, 4×8", "4×8×3", 503),
        ("4", "DSA+I3D, 8×8", "8×8×3", 1006),
        ("4", "DSA+I3D, both", "(4+8)×8×3", 1509),
        ("4", "V4D+I3D", "8×10×3", 2146),
        ("4", "Slowonly", "8×10×3", 1257),
        ("3", "SDA-TSM", "16×3×2", 406.8),
        ("3", "TEA", "16×3×10", 2100),
    ],
)
def test_the_cost_of_a_video_is_the_one_the_papers_name(
    table: str, label: str, protocol: str, gmacs: float
) -> None:
    row = next(
        r for r in paper_rows() if (r.table, r.label, r.protocol) == (table, label, protocol)
    )
    assert row.video_gmacs == pytest.approx(gmacs, abs=0.5)


def test_the_same_network_has_the_same_accuracy_in_every_table_of_sda() -> None:
    def top1(table: str, label: str) -> float:
        return next(r for r in paper_rows() if (r.table, r.label) == (table, label)).top1[V1]

    assert top1("1", "S222") == top1("6", "pool 2x2x2, conv 1x1x1")
    assert top1("1", "S122") == top1("6", "pool 1x2x2, conv 3x1x1")
    assert top1("1", "S144") == top1("6", "pool 1x4x4, conv 3x1x1")
    assert top1("1", "LST+LT+LS+S122 (AVG)") == top1("2", "AVG, r_c = 4")
    assert top1("1", "Original TSN") == top1("3", "TSN")
    assert top1("2", "SEC, r_c = 4") == top1("3", "SDA-TSN")


def test_a_wrong_digit_or_a_stray_count_is_no_match() -> None:
    row = PaperRow("SDA", "1", "a row", params="25.8", macs="33.9")
    assert PaperComparison(row, 25_849_000, 33_900_000_000).is_matched
    assert not PaperComparison(row, 25_851_000, 33_900_000_000).is_matched
    assert not PaperComparison(row, 25_800_000, int(33.9e9 * (1 + TOLERANCE + 0.001))).is_matched
    assert not PaperComparison(row, 25_800_000, int(33.9e9 * (1 - TOLERANCE - 0.001))).is_matched
