"""The command line as a user meets it: answers on stdout, one readable line for every mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsanet_core import cli, synthetic
from dsanet_core.analysis import analyze
from dsanet_core.serialize import analysis_from_json
from dsanet_core.zoo import list_models
from tests.weights import save_tiny

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def average_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights"), "tsn_i3d_synth", seed=1)


PROGRESS = re.compile(r".* \(\d+ s\)\n")
"""What is said of going on after two seconds, which a busy machine may take for anything."""


def call(capsys: pytest.CaptureFixture[str], *args: Any) -> tuple[int, str, str]:
    code = cli.main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, PROGRESS.sub("", err)


def answer(capsys: pytest.CaptureFixture[str], *args: Any) -> Any:
    code, out, err = call(capsys, *args, "--json")
    assert code == 0, err
    return json.loads(out)


def complaint(capsys: pytest.CaptureFixture[str], *args: Any) -> str:
    """What stderr says of a mistake: one line, no traceback, nothing on stdout."""
    code, out, err = call(capsys, *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_predict_gives_the_analysis_of_the_library(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    given = answer(capsys, "predict", clip, "--model", weights, "--top", 3)
    expected = analyze(clip, weights)
    assert [(best["category"], best["probability"]) for best in given["top"]] == expected.top(3)
    read = analysis_from_json(json.dumps(given["analysis"]))
    np.testing.assert_array_equal(read.snippet_scores, expected.snippet_scores)
    assert (read.video, read.protocol, read.model) == (
        expected.video,
        expected.protocol,
        expected.model,
    )


def test_predict_prints_the_categories_and_the_protocol(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    code, out, err = call(capsys, "predict", clip, "--model", weights, "--top", 2)
    analysis = analyze(clip, weights)
    assert (code, err) == (0, "")
    for name, score in analysis.top(2):
        assert f"{score:.1%}  {name}" in out
    assert analysis.protocol.describe() in out
    assert "clip.mp4: h264 in mp4, 128x96, 16 frames/s" in out
    assert sum(line.endswith(synthetic.CATEGORIES) for line in out.splitlines()) == 2 + 8


def test_predict_prints_what_every_sda_block_selected(
    capsys: pytest.CaptureFixture[str], clip: Path, tmp_path: Path
) -> None:
    path = save_tiny(tmp_path, "sda_tsn_synth")
    analysis = analyze(clip, path)
    selections = analysis.selections
    _, out, _ = call(capsys, "predict", clip, "--model", path)
    lines = [line for line in out.splitlines() if ".sda " in line]
    assert [line.split()[0] for line in lines] == [selection.block for selection in selections]
    for line, selection in zip(lines, selections, strict=True):
        for place, name in enumerate(selection.dependencies):
            weight, energy = selection.weights[:, place].mean(), selection.energy[:, place].mean()
            assert f"{name} {weight:.1%} ({energy:.2f})" in line
        assert f"gate {selection.gate.mean(dtype=float):.3f} (" in line
    first = analysis.pts_seconds[0, 0]
    assert f"1: at {first:.2f} s" in out, "a snippet of one frame has no length"
    given = answer(capsys, "predict", clip, "--model", path)["analysis"]
    read = analysis_from_json(json.dumps(given)).selections
    np.testing.assert_array_equal(read[3].gate, selections[3].gate)
    np.testing.assert_array_equal(read[3].weights, selections[3].weights)


def test_crops_change_the_protocol_and_say_so(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    one, three = (
        answer(capsys, "predict", clip, "--model", weights, "--views", f"2x{crops}")["analysis"]
        for crops in (1, 3)
    )
    assert (one["protocol"]["num_crops"], three["protocol"]["num_crops"]) == (1, 3)
    assert one["video_scores"] != three["video_scores"], "the clip is wider than high"


def test_precision_changes_the_protocol_and_hardly_the_answer(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path
) -> None:
    full, half = (
        answer(capsys, "predict", clip, "--model", weights, "--precision", precision)["analysis"]
        for precision in ("float32", "bfloat16")
    )
    assert (full["protocol"]["precision"], half["protocol"]["precision"]) == ("float32", "bfloat16")
    exact, rounded = (analysis_from_json(json.dumps(each)).video_scores for each in (full, half))
    assert 0 < np.abs(exact - rounded).max() < 0.05


def test_compare_says_whether_the_networks_agree(
    capsys: pytest.CaptureFixture[str], clip: Path, weights: Path, average_weights: Path
) -> None:
    both = answer(capsys, "compare", clip, "--models", weights, average_weights)
    for one, path in zip(both["models"], (weights, average_weights), strict=True):
        assert one == answer_without_seconds(one, capsys, clip, path)
    first, second = (one["top"][0]["category"] for one in both["models"])
    assert both["agree"] == (first == second)
    code, out, _ = call(capsys, "compare", clip, "--models", weights, average_weights)
    assert code == 0 and ("disagree" in out) == (not both["agree"])
    assert "tiny_dsa_i3d_synth" in out and "tiny_tsn_i3d_synth" in out


def answer_without_seconds(
    like: dict[str, Any], capsys: pytest.CaptureFixture[str], clip: Path, path: Path
) -> dict[str, Any]:
    """`predict` on the same video, with the wall times of `like`: nothing else may differ."""
    alone: dict[str, Any] = answer(capsys, "predict", clip, "--model", path, "--top", 3)
    alone["analysis"]["seconds"] = like["analysis"]["seconds"]
    return alone


def test_run_gives_fractions_and_the_protocol(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path
) -> None:
    command = ["run", "synth:seed=7,n=50", "--model", weights, "--runs", tmp_path]
    summary = answer(capsys, *command)
    assert summary["videos"] == 50
    assert 0 <= summary["top1"] <= summary["top5"] <= 1
    assert list(summary["per_group"]) == list(synthetic.GROUPS)
    assert set(summary["per_category"]) == set(synthetic.CATEGORIES)
    assert summary["top1"] == pytest.approx(np.mean(list(summary["per_category"].values())))
    assert summary["protocol"]["group_size"] == 4
    code, out, err = call(capsys, *command)
    assert f"kept in {tmp_path / summary['run']}" in err
    assert code == 0 and f"50 videos, top-1 {summary['top1']:.2%}" in out


def test_run_names_unreadable_videos(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, clip: Path, weights: Path
) -> None:
    folder = tmp_path / "data" / synthetic.CATEGORIES[1]
    folder.mkdir(parents=True)
    (folder / "good.mp4").write_bytes(clip.read_bytes())
    (folder / "bad.mp4").write_text("no video")
    code, out, err = call(
        capsys, "run", tmp_path / "data", "--model", weights, "--runs", tmp_path / "runs"
    )
    assert code == 0 and "1 video," in out
    assert "bad.mp4" in err and "good.mp4" not in err


def test_models_lists_every_row_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in answer(capsys, "models")}
    assert list(rows) == list_models()
    plain, dsa = rows["tsn_i3d_r50"], rows["dsa_i3d_r50"]
    assert plain["macs_per_view"] < dsa["macs_per_view"] < 1.001 * plain["macs_per_view"]
    assert plain["params"] < dsa["params"]
    code, out, _ = call(capsys, "models")
    assert code == 0 and all(name in out for name in rows)


BAD_NAMES = ["动画 ☃.mp4", "two\nlines\r\x1b[2J.mp4", "-rf.mp4", "a'b\"c.mp4"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_odd_names_are_read_and_never_break_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, clip: Path, weights: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(clip.read_bytes())
    code, out, _ = call(capsys, "predict", path, "--model", weights)
    assert code == 0
    assert out.splitlines()[0].endswith("4.0 s")
    assert "\x1b" not in out
    path.write_text("no video")
    complaint(capsys, "predict", path, "--model", weights)


def test_names_that_are_not_unicode_are_read(tmp_path: Path, clip: Path, weights: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_bytes(clip.read_bytes())
    program = [sys.executable, "-m", "dsanet_core", "predict", path, "--model", weights]
    done = subprocess.run(program, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"caf")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is no video\n" * 100),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"),
        ("script.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n"),
    ],
)
def test_files_that_are_no_video_get_a_readable_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for command in (
        ("predict", path, "--model", weights),
        ("compare", path, "--models", weights, weights),
    ):
        said = complaint(capsys, *command)
        assert name in said and "expected" in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["predict", "none.mp4", "--model", "WEIGHTS"], "none.mp4 does not exist"),
        (["predict", "CLIP", "--model", "no_such_model"], "no weights 'no_such_model'"),
        (["predict", "CLIP", "--model", "CLIP"], "no checkpoint of a known kind"),
        (["predict", "CLIP", "--model", "WEIGHTS", "--device", "warp"], "device 'warp'"),
        (["run", "synth:seed=x,n=5", "--model", "WEIGHTS"], "dataset 'synth:seed=x,n=5'"),
        (["run", "nowhere", "--model", "WEIGHTS"], "does not exist"),
        (["train", "no_such_recipe"], "no recipe 'no_such_recipe'"),
    ],
)
def test_mistakes_are_named_with_what_was_expected(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clip: Path,
    weights: Path,
    args: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"CLIP": clip, "WEIGHTS": weights}
    said = complaint(capsys, *(places.get(arg, arg) for arg in args))
    assert says in said and "expected" in said


@pytest.mark.parametrize("args", [[], ["dance"], ["predict"], ["predict", "a", "--top", "0"]])
def test_a_wrong_call_shows_the_usage(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(args)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


COMMANDS = ("models", "import", "weights", "predict", "compare", "explain", "report", "whatif",
            "run", "effects", "train")


def test_help_needs_no_heavy_package() -> None:
    heavy = ("torch", "torchvision", "av", "cv2", "plotly", "streamlit", "numpy", "safetensors")
    blocked = f"import sys; sys.modules.update(dict.fromkeys({heavy!r}))\n"
    program = (
        f"{blocked}from dsanet_core.cli import main\n"
        f"for command in {[[], *([name] for name in COMMANDS)]!r}:\n"
        "    try: main([*command, '--help'])\n"
        "    except SystemExit as ended: assert ended.code == 0, command\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--views" in done.stdout, done.stderr
    assert done.stdout.count("usage:") == 1 + len(COMMANDS)


def test_a_reader_that_left_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clip: Path, weights: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert cli.main(["predict", str(clip), "--model", str(weights), "--json"]) == 0
    assert "Broken" not in capsys.readouterr().err


def test_what_takes_long_says_what_it_is_doing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.output, "PROGRESS_SECONDS", 0.01)
    said = ""
    with cli.output.StatusMessages("decode") as progress:
        progress.step = "7 of 9 videos"
        for _ in range(1000):
            time.sleep(0.01)
            said += capsys.readouterr().err
            if "7 of 9 videos (" in said:
                break
    assert "7 of 9 videos (" in said
    assert capsys.readouterr().out == ""


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with cli.output.StatusMessages("decode"):
        pass
    assert capsys.readouterr() == ("", "")
