"""The visitors of tools/load: what they take for the page, for another's answer, for unfair."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.proto.Delta_pb2 import Delta

from dsanet_core import analyze, figures, load_model
from dsanet_core.video import encode_h264
from tools.load.clips import Clip, ExpectedFigures, plotted_values, same
from tools.load.fairness import fair_share, longest_alone
from tools.load.page import Page
from tools.load.report import Check, Report
from tools.load.visitor import Ask

ROOT = Path(__file__).parents[1]
RUN, NEXT_RUN = "run 1", "run 2"


def markdown(text: str, fragment: str = "") -> Delta:
    delta = Delta(fragment_id=fragment)
    delta.new_element.markdown.body = text
    return delta


def block(label: str = "") -> Delta:
    delta = Delta()
    delta.add_block.allow_empty = True
    if label:
        delta.add_block.expandable.label = label
    return delta


def test_a_page_is_what_the_last_run_drew() -> None:
    page = Page()
    page.apply((0, 0), block("a clip"), RUN)
    page.apply((0, 0, 0), markdown("inside"), RUN)
    page.apply((0, 1), markdown("old"), RUN)
    page.apply((0, 2), markdown("older"), RUN)
    page.finish(RUN, [])
    assert page.texts() == ["inside", "old", "older"]
    assert page.labels() == ["a clip"]

    page.apply((0, 0), block("a clip"), NEXT_RUN)  # drawn again, with what is in it
    page.apply((0, 1), markdown("new"), NEXT_RUN)
    assert page.texts() == ["inside", "new", "older"]
    page.finish(NEXT_RUN, [])
    assert page.texts() == ["new"]


def test_a_run_of_a_fragment_takes_away_only_what_is_its_own() -> None:
    page = Page()
    page.apply((0, 0), markdown("page"), RUN)
    page.apply((0, 1), markdown("fragment"), RUN)
    page.apply((0, 2), markdown("progress", "f"), RUN)
    page.apply((0, 3), markdown("button", "f"), RUN)
    page.finish(RUN, [])
    page.apply((0, 2), markdown("half", "f"), NEXT_RUN)
    page.finish(NEXT_RUN, ["f"])
    assert page.texts() == ["page", "fragment", "half"]


def test_an_element_in_place_of_a_block_takes_what_was_in_it() -> None:
    page = Page()
    page.apply((0, 0), block(), RUN)
    page.apply((0, 0, 0), markdown("inside"), RUN)
    page.apply((0, 0), markdown("instead"), RUN)
    assert page.texts() == ["instead"]


def test_errors_and_exceptions_are_seen() -> None:
    page, error, thrown = Page(), Delta(), Delta()
    error.new_element.alert.body = "could not be read"
    error.new_element.alert.format = 1
    thrown.new_element.exception.type = "KeyError"
    thrown.new_element.exception.message = "'x'"
    page.apply((0, 0), error, RUN)
    page.apply((0, 1), thrown, RUN)
    assert page.alerts() == ["could not be read"]
    assert page.alerts("INFO") == []
    assert page.exceptions() == ["KeyError: 'x'"]


def test_a_figure_says_its_numbers_and_names() -> None:
    figure = go.Figure(go.Bar(x=np.array([0.5, 0.25]), y=[0, 1], customdata=["left", "right"]))
    values = plotted_values(figure.to_json())
    assert values == [[0.5, 0.25, 0, 1, "left", "right"]]
    assert same(values, [[0.5004, 0.25, 0, 1, "left", "right"]])
    assert not same(values, [[0.52, 0.25, 0, 1, "left", "right"]])
    assert not same(values, [[0.5, 0.25, 0, 1, "right", "left"]])
    assert not same({"a": values}, {})


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for number in range(2):
        pictures = np.random.default_rng(number).integers(0, 255, (8, 64, 96, 3), np.uint8)
        encode_h264(list(pictures), fps=8, path=folder / f"{number}.mp4")
        path = folder / f"{number}.mp4"
        found.append(Clip(number, path.name, path.read_bytes(), path))
    return found


def test_a_clip_again_has_other_bytes_and_the_same_answer(
    clips: list[Clip], tmp_path: Path
) -> None:
    again = clips[0].again("again.mp4", 5)
    assert again.sha256 != clips[0].sha256
    assert again.sha256 != clips[0].again("again.mp4", 6).sha256
    path = tmp_path / again.name
    path.write_bytes(again.bytes)
    network = load_model("tsn_synth", "cpu")
    expected = ExpectedFigures().figures(clips[0], "", ("tsn_synth",))
    bars = figures.top_bars(analyze(path, network))
    shown = {alt: plotted_values(bars.to_json()) for alt in expected}
    assert same(shown, expected)
    assert len(clips[0].damaged("half.mp4", 1).bytes) == len(clips[0].bytes) // 2


def test_anothers_answer_is_noticed(clips: list[Clip]) -> None:
    answers = ExpectedFigures()
    mine, anothers = (answers.figures(clip, "", ("tsn_synth",)) for clip in clips)
    assert not same(mine, anothers)
    assert not same(mine, answers.figures(clips[0], "", ("sda_tsn_synth",)))


def ask(visitor: int, start: float, end: float, kind: str = "", questions: int = 1) -> Ask:
    return Ask(visitor, kind, questions, start, True, end, "answer")


def test_a_fair_share_gives_every_other_one_turn_before_each_question() -> None:
    alone = longest_alone([ask(0, 0, 2), ask(0, 2, 3), ask(0, 3, 13, "slow")])
    assert alone == {"": 2, "slow": 10}
    mine = ask(0, 0, 5)
    others = [ask(1, 1, 2), ask(1, 3, 4, "slow"), ask(2, 4, 9), ask(3, 6, 8), ask(0, 5, 6)]
    assert fair_share(mine, [mine, *others], alone) == 2 + (10 + 2)
    twice = dataclasses.replace(mine, questions=2)
    assert fair_share(twice, [twice, *others], alone) == 2 + 2 * (10 + 2)
    assert fair_share(mine, [mine], alone) == 2


def test_a_report_fails_with_one_of_its_checks() -> None:
    report = Report([("inspect", "1.0 s")], {"stops": 3}, [Check("mixed results", 0, True)])
    assert report.holds
    assert "ok   mixed results: 0" in str(report)
    report.checks.append(Check("tracebacks", 2, False, ["first"]))
    assert not report.holds
    assert "FAIL tracebacks: 2\n       first" in str(report)
    assert json.loads(report.to_json())["holds"] is False


def test_what_a_server_holds_is_counted(tmp_path: Path) -> None:
    from tools.load.server import Server

    (tmp_path / "tmp" / "folder").mkdir(parents=True)
    (tmp_path / "tmp" / "folder" / "left").write_bytes(b"12345")
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()', 'mark'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        server = Server(process, 0, tmp_path)
        while len(server.children("mark")) < 1:
            assert process.poll() is None
            os.sched_yield()
        held = server.holdings()
        assert server.children("no such mark") == []
        process.communicate(b"\n")
    assert held.processes == 2
    assert held.files == 1
    assert held.file_bytes == 5
    assert held.memory > 2 << 20
    assert held.descriptors >= 6


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core only")
def test_network_and_workers_have_a_core_each_in_the_throughput_check() -> None:
    code = ("import os\nfrom tools.stress_runs import pin_network_and_workers\n"
            "pin_network_and_workers()\nprint(len(os.sched_getaffinity(0)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
