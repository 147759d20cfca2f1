"""The document that `make bench` writes, its figure, and what a failing section leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dsanet_core.records import Sampling
from dsanet_core.video import read_clips
from tests.clips import save_clip
from tools.bench import __main__ as tool
from tools.bench import growth, processes
from tools.bench.figure import growth_svg
from tools.bench.processes import ask_module
from tools.bench.table import Line, Wanted

SVG = "{http://www.w3.org/2000/svg}"


def grown(axis: str, *values: float) -> list[Line]:
    return [
        Line("growth", f"{value} {axis}", "words", median, unit, repeats=3, at=(axis, value))
        for value in values
        for unit, median in (("s", value / 100), ("MB", 300 + value))
    ]


def test_the_figure_has_a_chart_of_time_and_of_memory_for_every_axis() -> None:
    picture = ElementTree.fromstring(
        growth_svg([*grown("snippets", 4, 8, 64), *grown("a < b", 10, 3600)])
    )
    assert len(picture.findall(f"{SVG}g")) == 4
    assert len(list(picture.iter(f"{SVG}circle"))) == 10
    for line in picture.iter(f"{SVG}polyline"):
        places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        across, up = zip(*places, strict=True)
        assert list(across) == sorted(across) and list(up) == sorted(up, reverse=True)
        assert all(0 <= x <= 300 for x in across) and all(0 <= y <= 210 for y in up)
    assert "a < b" in "".join(picture.itertext())
    with pytest.raises(ValueError):
        growth_svg([])


def test_a_section_that_fails_is_said_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, repeats: int | None) -> Iterator[Line]:
        yield Line(name, f"first of {name}", f"{repeats} repeats", 0.5, "s",
                   wanted=Wanted("median", "<=", 1))
        if name == "peers":
            raise ImportError("no such package\nand more")

    monkeypatch.setattr(tool, "measure_section", measured)
    out = tmp_path / "b.md"
    code = tool.main(["run", "peers", "pages", "--repeats", "2", "--out", str(out)])
    assert code == 1
    text = out.read_text()
    assert "ImportError: no such package\n" in text and "and more" not in text
    assert "3 of 3 wanted figures are met" in text and "| torch |" in text
    for name in ("run", "peers", "pages"):
        assert f"first of {name}" in text and f"first of {name}" in capsys.readouterr().out + text
    assert not (tmp_path / tool.FIGURE).exists()


def test_every_section_has_a_title_and_growth_comes_last() -> None:
    assert all(title for title, _ in tool.SECTIONS.values())
    assert list(tool.SECTIONS)[-1] == "growth"
    with pytest.raises(SystemExit):
        tool.main(["nothing"])


def test_peak_memory_is_that_of_the_process_that_is_asked() -> None:
    here = processes.peak_megabytes()
    small = float(ask_module("processes", "print(processes.peak_megabytes())"))
    code = "x = bytearray(2 * 10**8); print(processes.peak_megabytes())"
    large = float(ask_module("processes", code))
    assert 0 < small < here
    assert 150 < large - small < 250


def test_peak_memory_of_a_decoder_is_heard_of(tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip.mp4")
    with processes.DecoderPeaks() as decoder:
        read_clips(clip, Sampling(2, 2, 1))
    first = decoder.megabytes
    assert 10 < first < 500
    read_clips(clip, Sampling(2, 2, 1))
    assert decoder.megabytes == first, "nobody listens any more"


def test_a_point_of_growth_changes_its_axis_alone() -> None:
    row = growth._network("dataset", 1).spec
    assert growth._network("snippets", 16).spec.protocol.sampling.num_snippets == 16
    assert growth._network("frames per snippet", 2).spec.protocol.view_shape[3] == 2
    assert growth._network("resolution", 96).spec.protocol.side == 96
    assert len(growth._network("categories", 7).spec.classes) == 7
    assert growth._network("categories", 7).spec.protocol == row.protocol


def test_growth_is_measured_along_an_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "write_clip", save_clip)
    lines = list(growth.measure_growth(1, axes={growth.LENGTH: (10, 20)}))
    assert [(line.at, line.unit) for line in lines] == [
        ((growth.LENGTH, value), unit) for unit in ("s", "MB") for value in (10, 20)
    ]
    assert lines[0].ratio is None and lines[1].ratio is not None
    assert all(line.median > 0 for line in lines)


def test_rows_of_the_zoo_are_measured_alone_and_in_turns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tool.main(["--model", "sda_tsn_synth", "--against", "tsn_synth", "--repeats", "1"]) == 0
    first, _, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("sda_tsn_synth: ") and "sda_tsn_synth / tsn_synth" in first
    assert second.startswith("tsn_synth: ")
    assert tool.main(["--model", "dsa_i3d_synth", "--repeats", "1"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[::2]]
    assert names == ["dsa_i3d_synth,", "11", "all"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--model", "no_such_row"], "no model 'no_such_row'"),
        (["no_such_section"], "no section 'no_such_section'"),
        (["run", "--model", "tsn_synth"], "--model excludes sections"),
        (["--against", "tsn_synth"], "--against needs --model"),
    ],
)
def test_a_wrong_call_is_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    with pytest.raises(SystemExit):
        tool.main(args)
    assert says in capsys.readouterr().err
