"""A report is one inert, complete page: it says what the records hold and asks for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsanet_core import cli
from dsanet_core.errors import RecordError
from dsanet_core.records import Analysis, Attribution, Effects
from dsanet_core.report import report_name, report_to_html, write_report
from dsanet_core.serialize import analysis_from_json, analysis_to_json
from dsanet_core.version import VERSION
from dsanet_core.video import encode_h264
from tests.factory import CLASSES, make_analysis
from tests.report.hostile import ATTACK, hostile_analysis
from tests.report.parsed import Page
from tests.weights import save_tiny

ROOT = Path(__file__).parents[2]


def page_of(*analyses: Analysis, truth: str | None = None) -> Page:
    return Page(report_to_html(analyses, truth=truth))


DSA, TSN = make_analysis(0), make_analysis(1, name="tsn_i3d_synth", consensus="average")
SDA = make_analysis(2, name="sda_tsn_synth", consensus="sda", frames=1, group_size=8)


def test_the_same_records_give_the_same_text() -> None:
    assert report_to_html([make_analysis(3), SDA]) == report_to_html([make_analysis(3), SDA])
    assert report_to_html([make_analysis(3)]) != report_to_html([make_analysis(4)])


@pytest.mark.parametrize("analysis", [DSA, SDA, hostile_analysis()], ids=["dsa", "sda", "hostile"])
def test_the_data_within_read_back_as_the_record(analysis: Analysis) -> None:
    read = analysis_from_json(page_of(analysis).scripts["analysis-1"])
    assert analysis_to_json(read) == analysis_to_json(analysis)


def test_nothing_is_fetched_and_only_the_reports_own_scripts_may_run() -> None:
    page = page_of(hostile_analysis(), hostile_analysis(1, name="tsn", consensus="average"))
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "form", "a", "base"), tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    policies = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert len(policies) == 1 and policies[0] is not None
    assert policies[0].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policies[0].split("style-src")[0]
    code = [script for name, script in page.scripts.items() if name.startswith("code")]
    assert len(code) == 2 and "plotly.js" in code[0][:100]


def test_text_from_outside_stays_text() -> None:
    page = page_of(hostile_analysis())
    assert page.text.count(ATTACK) >= 6
    assert "{{ 7 * 7 }}" in page.text and "49" not in page.text.split("{{ 7 * 7 }}")[1][:20]
    assert "\u202e" not in page.text and "\x00" not in page.text
    assert not any(tag == "strong" and "bold" in str(attributes) for tag, attributes in page.tags)


def test_a_report_of_one_says_verdict_protocol_weights_and_scores() -> None:
    page = page_of(DSA, truth=DSA.top(1)[0][0])
    best, share = DSA.top(1)[0]
    assert f"dsa_i3d_synth: Prediction ({100 * share:.1f}%) {best} ✓ Correct" in page.text
    assert DSA.protocol.describe() in page.text
    assert "dsa_i3d_synth.safetensors (sha256 111111111111), trained on synthetic" in page.text
    assert f"Made by DSANet Lens {VERSION}" in page.text
    for scores in DSA.snippet_scores:
        assert f"{CLASSES[int(scores.argmax())]} {100 * scores.max():.1f}%" in page.text
    drawn = {attributes.get("aria-label") for _, attributes in page.tags}
    assert {"Most probable classes", "Probabilities of each snippet over time",
            "Distance of each block from two fixed kernels"} <= drawn
    assert sum(name.startswith("figure-") for name in page.scripts) == 3 + 2 * len(DSA.kernels)


def test_a_wrong_answer_is_marked_and_an_unknown_truth_marks_nothing() -> None:
    assert "✗ Incorrect" in page_of(DSA, truth=DSA.top(2)[1][0]).text
    for truth in (None, "a category that it does not know"):
        said = page_of(DSA, truth=truth).text
        assert "✓ Correct" not in said and "✗ Incorrect" not in said


def test_an_unfamiliar_video_is_marked() -> None:
    assert DSA.familiarity is not None
    strange = replace(DSA, familiarity=replace(DSA.familiarity, score=0.25))
    said = "This video does not look like the training data: do not rely on the prediction"
    for analysis, is_marked in ((DSA, False), (strange, True)):
        page = page_of(analysis)
        assert (said in page.text) == is_marked
        assert any(a.get("class") == "warning" and tag == "p" for tag, a in page.tags[:40])
        assert sum(a.get("class") == "warning" for _, a in page.tags) == 1 + is_marked


def test_a_report_of_two_sets_them_against_each_other() -> None:
    text = page_of(DSA, TSN).text
    assert "dsa_i3d_synth and tsn_i3d_synth: predictions for clip.mp4" in text
    assert "an upward bar means that dsa_i3d_synth gives the class a higher probability" in text
    assert "Multiply-adds per video" in text
    first, second = (
        text.index(f"{name}: Predictions for") for name in ("dsa_i3d_synth", "tsn_i3d_synth")
    )
    assert first < second
    assert "tsn_i3d_synth: DSA kernels" not in text


def test_sda_blocks_are_told_with_their_weights() -> None:
    text = page_of(SDA).text
    for each in SDA.selections:
        row = " ".join(f"{100 * weight:.1f}%" for weight in each.weights[0])
        assert f"{row} {float(each.gate_change[0]):.3f}" in text
    assert "equal shares are 25% each" in text


def test_what_was_changed_stands_beside_the_answer_and_tells_two_of_one_network_apart() -> None:
    changed = replace(DSA, changes=("snippets reversed",))
    text = page_of(DSA, changed).text
    assert "dsa_i3d_synth (original) and dsa_i3d_synth (snippets reversed)" in text
    assert "Changes: snippets reversed." in text


def attribution_of(analysis: Analysis) -> Attribution:
    views, frames = analysis.protocol.num_views, analysis.protocol.frames_per_view
    maps = np.random.default_rng(5).normal(size=(views, frames, 4, 4)).astype(np.float32)
    return Attribution(
        video=analysis.video, model=analysis.model, protocol=analysis.protocol,
        method="grad_cam", category=1, snippet=None, maps=maps, score=2.5, baseline_score=-0.5,
        baseline="the mean colour", seconds=0.1,
    )  # fmt: skip


def test_an_attribution_stands_with_the_analysis_that_it_explains() -> None:
    found = attribution_of(TSN)
    text = Page(report_to_html([DSA, TSN], attributions=[found])).text
    assert text.count(f"tsn_i3d_synth: Explanation of “{CLASSES[1]}” (Grad-CAM)") == 1
    assert f"logit of “{CLASSES[1]}” for the video: +2.500; baseline logit: −0.500" in text
    best = int(found.per_snippet.argmax())
    assert f"Strongest evidence: snippet {best + 1} (" in text
    assert "blue regions support the class" in text
    assert "Not measured: the reliability of Grad-CAM for tsn_i3d_synth is unknown" in text
    with pytest.raises(ValueError, match="but no analysis of that model"):
        report_to_html([DSA], attributions=[found])


def test_the_effects_of_blocks_stand_in_a_table() -> None:
    blocks = ("layer2.1.dsa", "layer3.1.dsa")
    effects = Effects(
        0, 0.75, blocks, ("identity in res3", "identity in res4"), np.array([0.25, 0.7]),
        np.array([1, 0]),
    )  # fmt: skip
    text = Page(report_to_html([DSA], effects=effects)).text
    assert f"Most important block for “{CLASSES[0]}”: res3, block 2." in text
    assert "Without it, the probability falls from 75.0% to 25.0%" in text
    assert f"identity in res3 25.0% {CLASSES[1]}" in text
    assert f"identity in res4 70.0% {CLASSES[0]}" in text


def test_measured_accuracy_is_said_where_it_is_given_and_only_there() -> None:
    said = Page(report_to_html([DSA], accuracies={"1" * 64: {"top1": 0.5, "dataset": "d"}})).text
    assert "Top-1 accuracy on d: 50.0%." in said
    assert "easured" not in page_of(replace(DSA, familiarity=None)).text.replace(
        "Similarity of this video to the training data was not measured.", ""
    )


def test_other_numbers_of_analyses_and_other_videos_are_refused() -> None:
    other = replace(TSN, video=replace(TSN.video, sha256="2" * 64))
    for analyses in ([], [DSA] * 3, [DSA, other]):
        with pytest.raises(ValueError, match="expected 1 or 2 of one"):
            report_to_html(analyses)


def test_without_thumbnails_a_report_is_made_too() -> None:
    bare = analysis_from_json(analysis_to_json(SDA, thumbnails=False))
    assert "Model, input and weights" in page_of(bare).text


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    target.write_text("old")
    assert write_report(target, [hostile_analysis()]) == target
    assert target.read_text(encoding="utf-8") == report_to_html([hostile_analysis()])
    with pytest.raises(ValueError, match="expected 1 or 2"):
        write_report(target, [])
    with pytest.raises(RecordError, match=r"ends in \.html"):
        write_report(tmp_path / "clip.mp4", [DSA])
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("clip.mp4", "clip_dsa_i3d_synth.html"),
        ("a b/../../c?.tar.avi", "c-.tar_dsa_i3d_synth.html"),
        ("....", "video_dsa_i3d_synth.html"),
        ("фильм.mkv", "фильм_dsa_i3d_synth.html"),
    ],
)
def test_a_reports_name_is_that_of_video_and_network(video: str, name: str) -> None:
    found = report_name([replace(DSA, video=replace(DSA.video, name=video))])
    assert found == name


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "dsanet_core.version.VERSION"
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_sentences_about_records_need_neither_torch_nor_plotly() -> None:
    program = (
        "import sys, dsanet_core.report.text\n"
        "assert not {'torch', 'streamlit', 'jinja2', 'markdown_it'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "my clip.mp4"
    rgb = np.random.default_rng(0).integers(0, 255, (32, 48, 64, 3), np.uint8)
    encode_h264(rgb, fps=16, path=path)
    return path


def test_the_command_writes_what_the_library_writes(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (save_tiny(tmp_path, row) for row in ("dsa_i3d_synth", "i3d_synth"))
    command = ["report", str(clip), "--model", str(first), "--against", str(second)]
    assert cli.main(command) == 0
    path = tmp_path / "my-clip_tiny_dsa_i3d_synth_tiny_i3d_synth.html"
    assert capsys.readouterr().out.startswith(f"{path.name} (")
    page = Page(path.read_text(encoding="utf-8"))
    assert analysis_from_json(page.scripts["analysis-2"]).model.name == "tiny_i3d_synth"
    assert "Accuracy was not measured" in page.text
    assert cli.main([*command[:4], "--explain", "grad_cam", "--out", path.name]) == 0
    assert "replaced" in capsys.readouterr().out
    assert "Grad-CAM" not in page.text
    assert "Grad-CAM" in Page(path.read_text(encoding="utf-8")).text
    before = clip.read_bytes()
    assert cli.main([*command, "--out", str(clip)]) == 2
    assert "expected a name that ends in .html" in capsys.readouterr().err
    assert clip.read_bytes() == before
