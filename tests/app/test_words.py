"""Sentences say what the record holds, and text from outside stays text."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from app.ui import text as ui_text
from dsanet_core.figures.style import shorten, snippet_word
from dsanet_core.records import SNIPPET_MIXING, Familiarity, Kernel
from dsanet_core.report import captions, text
from dsanet_core.serialize import kernels_to_csv
from tests.factory import make_analysis

ANALYSIS = make_analysis(0)
SDA = make_analysis(0, name="sda_tsn_synth", consensus="sda", frames=1, group_size=8)
BLOCK = SDA.selections[1]


@pytest.mark.parametrize(
    ("raw", "inert"),
    [
        ("a\nb\tc\x00d", "a b c d"),
        ("**bold** [x](y)", r"\*\*bold\*\* \[x\]\(y\)"),
        ("<script>", r"\<script\>"),
        (":red[x] $x$", r"\:red\[x\] \$x\$"),
        ("видео 🎬", "видео 🎬"),
    ],
)
def test_text_from_outside_is_inert_and_on_one_line(raw: str, inert: str) -> None:
    assert text.escape(raw) == inert


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("http://x HTTPS://y", "http:|//x HTTPS:|//y"),
        ("www.x.org", "www|.x.org"),
        ("me@x.org", "me|@x.org"),
        (":material/home: :streamlit:", ":|material/home: :|streamlit:"),
        ("a -> b <- c -- d >= e", "a -|> b <|- c -|- d >|= e"),
        ("make --views=1 a-b", "make --views=1 a-b"),
    ],
)
def test_what_pages_find_in_text_after_markdown_is_broken_invisibly(raw: str, shown: str) -> None:
    assert text.escape(raw).replace("\\", "") == shown.replace("|", "\u2060")


def test_a_long_name_keeps_both_its_ends() -> None:
    short = shorten("a" * 100 + ".mp4")
    assert len(short) <= 60
    assert short.startswith("aaa")
    assert short.endswith(".mp4")


def test_the_reading_of_a_kernel_counts_its_channels() -> None:
    values = np.array([[[0.8, 0.1, 0.1]] * 3 + [[0.2, 0.1, 0.7]]])
    reading = text.kernel_summary(Kernel("layer2.1.dsa", values, 32), 0)
    assert "aggregates 4 of 32 channels" in reading
    assert "is on the snippet before in 3, the snippet after in 1 of them" in reading
    means = "the snippet before 65%, the snippet itself 10%, the snippet after 25%"
    assert f"Mean weights: {means}." in reading


def test_view_names_count_the_snippets_from_one() -> None:
    protocol = replace(ANALYSIS.protocol, num_crops=3)
    names = [text.view_name(protocol, view) for view in range(protocol.num_views)]
    assert names[0] == "View 1 of 6: snippets 1, 3, 5, 7, left or top crop"
    assert names[5] == "View 6 of 6: snippets 2, 4, 6, 8, right or bottom crop"


def test_blocks_are_counted_as_in_the_papers() -> None:
    assert text.block_name("layer3.5.dsa") == "res4, block 6 (layer3.5.dsa)"
    assert text.block_name("elsewhere") == "elsewhere"


@pytest.mark.parametrize("score", [-3.0, 3.0])
def test_familiarity_is_said_with_its_numbers(score: float) -> None:
    known = replace(ANALYSIS, familiarity=Familiarity("distance", score, -1.5, 0.95))
    said = text.familiarity(known)
    assert ("does not look like" in said) == (score < -1.5)
    assert f"{score:.1f}".replace("-", "−") in said
    assert "−1.5" in said
    assert "95.0%" in said
    assert "trained on synthetic and can only answer with one of its 5 classes" in said


def test_scores_of_snippets_are_not_called_independent_where_networks_join_them() -> None:
    plain = make_analysis(1, name="plain", consensus="average")
    assert captions.snippet_independence([plain]) == "Every snippet is scored independently."
    said = captions.snippet_independence([ANALYSIS, plain])
    mixed = r"dsa\_i3d\_synth mixes neighbouring snippets"
    assert said == f"{mixed}, so these scores are not independent."
    assert "plain" not in said
    both = captions.snippet_independence([ANALYSIS, SDA])
    assert mixed in both
    assert r"sda\_tsn\_synth mixes all snippets of a view" in both


@pytest.mark.parametrize("consensus", SNIPPET_MIXING)
def test_every_way_to_join_snippets_has_its_sentences(consensus: str) -> None:
    analysis = make_analysis(1, consensus=consensus, frames=1, group_size=8)
    alone = consensus == "average"
    said = captions.snippet_independence([analysis])
    assert (said == "Every frame is scored independently.") is alone
    assert ("so these scores are not independent" in said) is not alone
    timed = replace(analysis, seconds={"transform": 0.1, "network": 0.5})
    assert SNIPPET_MIXING[consensus] in text.compute_cost([timed])
    assert f"one view: {SNIPPET_MIXING[consensus]}, then" in text.model_details(analysis, "", {})


def test_single_frames_are_not_called_snippets() -> None:
    for said in (
        captions.snippet_independence([SDA]),
        captions.timeline_of(SDA),
        captions.comparison_of(SDA, SDA),
        text.view_name(SDA.protocol, 0),
        SDA.protocol.describe(),
    ):
        assert "snippet" not in said
        assert "frame" in said
    assert text.view_name(SDA.protocol, 0) == "View 1 of 1: frames 1, 2, 3, 4, 5, 6, 7, 8"
    assert SDA.protocol.describe().startswith("8 single frames; centre crop")
    assert "each bar spans the snippet's duration" in captions.timeline_of(ANALYSIS)
    assert snippet_word([SDA, ANALYSIS]) == "snippet"


def test_networks_that_saw_different_frames_are_said_to() -> None:
    for reading in (captions.comparison_of, captions.disagreement_of):
        assert "The models saw different frames" in reading(ANALYSIS, SDA)
        assert "different frames" not in reading(ANALYSIS, make_analysis(1, name="other"))


def test_the_reading_of_a_block_names_its_strongest_and_weakest_dependency() -> None:
    leaning = replace(BLOCK, weights=np.array([[0.09, 0.3, 0.2, 0.41]]))
    said = text.selection_summary(leaning, 0)
    assert "Largest weight: S122 (41%)**; smallest: LST (9%); equal shares are 25% each" in said
    change = np.abs(BLOCK.gate.astype(float) - BLOCK.average_gate)
    assert f"by {change.mean():.3f} on average and by at most {change.max():.3f};" in said
    means = [gate.mean(dtype=float) for gate in (BLOCK.average_gate, BLOCK.gate)]
    assert f"from {means[0]:.3f} to {means[1]:.3f}" in said
    assert ("rises by" if means[1] > means[0] else "falls by") in said
    even = replace(BLOCK, weights=np.array([[0.26, 0.25, 0.25, 0.24]]))
    assert "Almost equal weights:** 24% to 26%" in text.selection_summary(even, 0)
    averaged = replace(
        BLOCK, aggregation="avg", weights=np.full((1, 4), 0.25), average_gate=BLOCK.gate
    )
    said = text.selection_summary(averaged, 0)
    assert "each dependency has weight 25%" in said
    assert said.endswith("With equal weights its gate is the same.")


def test_the_lead_counts_the_blocks_that_each_dependency_leads() -> None:
    peaks = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], [0.5, 0.3, 0.1, 0.1]])
    blocks = ("layer1.0.sda", "layer2.1.sda", "layer4.0.sda")
    selections = tuple(
        replace(BLOCK, block=block, weights=weights[None], average_gate=gate)
        for block, weights, gate in zip(
            blocks, peaks, (BLOCK.gate, BLOCK.average_gate, BLOCK.gate / 2), strict=True
        )
    )
    said = text.dependencies_summary(replace(SDA, selections=selections), 0)
    assert "LST in 2 of 3 blocks, up to 70% in res2, block 1" in said
    assert "S122, 70% in res3, block 2" in said
    most = max(selections[1:], key=lambda selection: selection.gate_change[0])
    assert f"changes the gate most in {text.block_name(most.block).split(' (')[0]}" in said
    assert "least in res2, block 1 (by 0.000)" in said
    averaging = tuple(replace(each, aggregation="avg") for each in selections)
    said = text.dependencies_summary(replace(SDA, selections=averaging), 0)
    assert "instead of selecting" in said


def test_dependencies_are_introduced_in_words() -> None:
    said = text.dependency_heading(BLOCK, "LT", 0)
    assert said.startswith("**LT:** each location, pooled over time. Weight ")
    assert f"energy {BLOCK.energy[0, 1]:.2f}." in said
    assert text.dependency_meaning("1x3x3/3x1x1").endswith("kernels 1x3x3/3x1x1")


def test_unmeasured_familiarity_is_not_claimed() -> None:
    said = text.familiarity(replace(ANALYSIS, familiarity=None))
    assert "was not measured" in said
    assert "looks like" not in said


def test_the_model_details_hold_protocol_weights_and_measured_accuracy() -> None:
    accuracy = {"top1": 0.953, "dataset": "synth:seed=7", "per_group": {"order": 0.9}}
    said = text.model_details(ANALYSIS, "a small network", accuracy)
    assert ANALYSIS.protocol.describe() in said
    assert ANALYSIS.model.weights_sha256[:12] in said
    assert r"Top-1 accuracy on synth\:seed=7: 95.3% (order 90.0%)" in said
    assert "was not measured" in text.model_details(ANALYSIS, "", {})
    seen = len(np.unique(ANALYSIS.frame_index))
    assert f"used {seen} of the video's 64 frames" in said


def test_a_shared_decode_is_said_to_be_shared() -> None:
    shared = "Frames were already decoded"
    assert shared not in text.model_details(ANALYSIS, "", {})
    later = replace(ANALYSIS, seconds={"transform": 0.1, "network": 0.5})
    assert shared in text.model_details(later, "", {})


def test_a_copy_says_how_much_of_the_video_it_holds() -> None:
    assert "of the first 120 s, without sound" in ui_text.copy_note(ANALYSIS.video, 120.0)
    assert "first" not in ui_text.copy_note(ANALYSIS.video, None)


def test_costs_multiply_views_by_multiply_adds() -> None:
    seconds = {"transform": 0.1, "network": 0.5}
    table = text.compute_cost([replace(ANALYSIS, seconds=seconds)]).splitlines()
    assert "| Multiply-adds per view | 1.00 G |" in table
    assert "| Multiply-adds per video | 2.00 G |" in table


def test_kernels_as_a_table_have_a_row_for_every_channel() -> None:
    rows = list(csv.DictReader(io.StringIO(kernels_to_csv(ANALYSIS))))
    assert len(rows) == sum(kernel.values[..., 0].size for kernel in ANALYSIS.kernels)
    first = ANALYSIS.kernels[0].values[0, 0]
    taps = [float(rows[0][f"offset_{offset}"]) for offset in ("-1", "+0", "+1")]
    np.testing.assert_allclose(taps, first, rtol=1e-6)


def test_a_place_in_line_is_said_in_words() -> None:
    assert ui_text.queue_place(0) == "Queued: next in line"
    assert ui_text.queue_place(1) == "Queued: 1 analysis ahead"
    assert ui_text.queue_place(7).endswith("7 analyses ahead")
