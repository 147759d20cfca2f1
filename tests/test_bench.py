"""What the measurements are made of; no figure is asserted, as machines differ."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dsanet_core.inference import prepare
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.video import read_clips
from tests.weights import tiny_network
from tools.bench import __main__ as tool
from tools.bench import analysis, clips, machine, networks
from tools.bench.modules import with_statistics
from tools.bench.table import Line, Report, Section, Wanted, as_markdown, as_text, cells, line_of
from tools.bench.timing import Turns, in_turns


def line(**more: object) -> Line:
    fields: dict[str, object] = {
        "section": "modules", "name": "DSA", "protocol": "float32", "median": 0.002, "unit": "s",
        "spread": 0.0001, "repeats": 9, "ratio": 9.5, "ratio_spread": 0.2,
        "ratio_of": "plain / DSA", "wanted": Wanted("ratio", ">=", 8),
    }
    return Line(**(fields | more))  # type: ignore[arg-type]


def test_variants_take_turns_in_alternating_order() -> None:
    called: list[str] = []
    variants: dict[str, Callable[..., object]] = {
        name: lambda given, name=name: called.append(name + given) for name in "ab"
    }
    turns = in_turns(variants, 3, prepare=lambda: "")
    assert called == list("abbaabbaab")
    assert {name: len(spent) for name, spent in turns.seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_the_ratios_of_the_turns() -> None:
    turns = Turns({"a": [1.0, 20.0, 3.0], "b": [2.0, 40.0, 3.0]})
    assert turns.ratios("a", "b") == [0.5, 0.5, 1.0], "a slow turn slows both"
    found = turns.line("s", "a", "words", over="b")
    assert (found.ratio, found.ratio_spread) == (0.5, 0.25)
    assert turns.line("s", "a", "words", over="b").ratio == 0.5
    assert turns.line("s", "a", "words", under="b").ratio == 2.0
    assert turns.summed("both", ("a", "b")).seconds["both"] == [3.0, 60.0, 6.0]


@pytest.mark.parametrize(
    ("sense", "bound", "met"),
    [(">=", 9.5, True), (">=", 9.6, False), ("<=", 9.5, True), ("<=", 9.4, False),
     ("<", 9.5, False), ("<", 9.6, True)],
)
def test_met_is_said_from_the_figure(sense: str, bound: float, met: bool) -> None:
    assert line(wanted=Wanted("ratio", sense, bound)).is_met is met  # type: ignore[arg-type]
    assert line(median=9.5, wanted=Wanted("median", sense, bound)).is_met is met  # type: ignore[arg-type]
    assert line(wanted=None).is_met is None


def test_a_line_needs_a_protocol_and_the_figure_that_is_wanted() -> None:
    for wrong in ({"protocol": ""}, {"name": ""}, {"unit": ""}, {"ratio": None}):
        with pytest.raises(ValueError):
            line(**wrong)


@pytest.mark.parametrize("space", [(2, 6, 6), (3, 4, 4)])
def test_the_fast_form_of_dsa_equals_the_plain_one(space: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    plain = with_statistics(DSA(16, num_snippets=4, beta=1 / 4))
    module = prepare(copy.deepcopy(plain))
    assert isinstance(module, FastDSA)
    x = torch.randn(12, 16, *space)
    with torch.inference_mode():
        expected = plain(x)
        for owns_input in (False, True):
            module.owns_input = owns_input
            torch.testing.assert_close(module(x.clone()), expected, rtol=0, atol=1e-5)
        assert not torch.equal(expected, x)


@pytest.mark.parametrize("aggregation", ["sec", "avg"])
def test_the_fast_form_of_sda_equals_the_plain_one(aggregation: str) -> None:
    torch.manual_seed(0)
    plain = with_statistics(SDA(32, aggregation=aggregation))  # type: ignore[arg-type]
    x = torch.randn(2, 32, 8, 8, 8)
    with torch.inference_mode():
        fast = prepare(copy.deepcopy(plain))
        torch.testing.assert_close(fast(x.clone()), plain(x), rtol=0, atol=1e-5)


def test_time_inside_modules_counts_those_modules_alone() -> None:
    clip = torch.zeros(1, 4, 3, 4, 32, 32)
    for row, has_dsa in (("dsa_i3d_synth", True), ("tsn_i3d_synth", False)):
        network = tiny_network(row)
        (share,) = networks.share_of(network, clip, DSA, 1)
        assert (0 < share < 100) if has_dsa else share == 0
        assert not any(
            m._forward_hooks or m._forward_pre_hooks
            for m in network.modules()
            if isinstance(m, DSA)
        ), "the stop-watches are gone"


def test_two_networks_race_with_and_without_capture() -> None:
    network, other = tiny_network("sda_tsn_synth"), tiny_network("tsn_synth")
    turns: list[str] = []
    for runner in (network, other):
        runner.register_forward_hook(lambda module, x, y: turns.append(module.spec.name))
    lines = list(networks.compare(network, other, repeats=1, captured=True))
    assert turns[:4] == ["tiny_sda_tsn_synth"] * 2 + ["tiny_tsn_synth"] * 2
    assert [one.name for one in lines] == [
        "tiny_sda_tsn_synth", "tiny_tsn_synth",
        "tiny_sda_tsn_synth, captured", "tiny_tsn_synth, captured",
    ]
    assert lines[0].ratio_of == "tiny_sda_tsn_synth / tiny_tsn_synth"
    assert lines[2].ratio_of == "tiny_sda_tsn_synth, captured / tiny_sda_tsn_synth"


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
def test_compiled_networks_race_each_other_and_themselves() -> None:
    nets = [tiny_network("sda_tsn_synth"), tiny_network("tsn_synth")]
    lines = list(networks.compare_compiled(nets, 1, backend="eager"))
    assert [each.ratio_of for each in lines if each.ratio] == [
        "tiny_sda_tsn_synth, compiled / tiny_tsn_synth, compiled",
        "tiny_sda_tsn_synth, compiled / tiny_sda_tsn_synth",
        "tiny_tsn_synth, compiled / tiny_tsn_synth",
    ]
    assert [each.is_met for each in lines if "largest difference" in each.name] == [True, True]


def test_a_network_is_looked_into() -> None:
    found = {one.name: one for one in networks.shares_within(tiny_network(), repeats=1)}
    assert set(found) == {
        "tiny_dsa_i3d_synth, alone", "11 idle hook points of tiny_dsa_i3d_synth",
        "all DSA modules of tiny_dsa_i3d_synth",
    }
    for one in found.values():
        assert one.median > 0 and "one clip of 4 x 4 x 64" in one.protocol


def test_a_run_is_measured_beside_its_network() -> None:
    lines = {one.name: one for one in analysis.measure_run(1, videos=3)}
    assert all(one.median > 0 and one.unit == "videos/s" for one in lines.values())
    assert lines["run, from its first answer on"].ratio is not None


def test_the_clip_is_what_the_figures_are_quoted_for(tmp_path: Path) -> None:
    sampling = tiny_network().spec.protocol.sampling
    short = clips.write_clip(tmp_path / "clip.mp4")
    for path, seconds in ((short, 10), (clips.write_repeated(short, tmp_path / "b.mp4", 3), 30)):
        video = read_clips(path, sampling).frames.video
        assert (video.width, video.height, video.codec) == (340, 256, "h264")
        assert abs(video.duration_seconds - seconds) < 0.1 and abs(video.fps - 25) < 0.01
    assert "10 s of 340x256" in clips.CLIP


def test_a_table_gives_every_line_its_protocol_and_says_what_is_met() -> None:
    lines = [
        line(),
        line(name="slow", ratio=7.0),
        line_of("networks", "all DSA modules", "a stop-watch at each", [1.5], "%"),
        *(line(section="growth", name=f"{n} snippets", unit=unit, wanted=None, at=("snippets", n))
          for n in (4, 8) for unit in ("s", "MB")),
    ]
    sections = {"modules": Section("modules", "Modules", lines=lines),
                "peers": Section("peers", "Peers", reason="no such package")}
    text = as_markdown(
        Report("Benchmarks", "about", sections, {"CPU": "some|thing"}, figure="growth.svg")
    )
    assert "1 of 2 wanted figures are met." in text
    first = "| DSA | float32 | 2 ms | 0.1 ms | 9 | 9.500 (0.200) plain / DSA | ratio >= 8 | met |"
    assert first in text
    assert "| not met |" in text and "## Modules" in text and "some/thing" in text
    assert "| all DSA modules | a stop-watch at each | 1.5 % | - | 1 |  |  |  |" in text
    assert "growth.svg" in text and "| snippets | 8 | 2 ms |" in text
    assert "Not measured: no such package" in text
    for table in text.split("\n\n"):
        widths = {row.count("|") for row in table.splitlines() if row.startswith("|")}
        assert len(widths) <= 1
    assert all(one.protocol in as_text(one) for one in lines)
    quick = line(median=0.1, wanted=Wanted("median", "<", 0.3))
    assert cells(quick)[-2:] == ["median < 0.3 s", "met"]
    json.dumps([one.to_dict() for one in lines], allow_nan=False)


def test_sections_are_known_by_name_and_measure_something() -> None:
    for name in tool.SECTIONS:
        assert next(iter([tool.measure_section(name, 1)])) is not None


def test_a_machine_says_what_its_figures_depend_on() -> None:
    facts = machine.describe_machine()
    assert {"CPU", "cores", "torch", "precision support", "date"} <= set(facts)
    assert all(facts.values())
