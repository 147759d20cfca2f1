"""The benchmark on a GPU: its dry run, and what it says where there is no GPU."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dsanet_core import inference
from dsanet_core.hooks import hook_points
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from tools.bench.gpu import plan, run_gpu_bench
from tools.bench.gpu.__main__ import MEASURED, main, markdown, save
from tools.bench.gpu.device import Device
from tools.bench.gpu.modes import (
    BF16,
    COMPILED,
    TSN_SHAPE,
    build,
    clip_shape,
    difference,
    draw,
    forward_in,
    without_hook_points,
)
from tools.bench.gpu.modules import floor_bytes
from tools.bench.gpu.networks import EQUAL
from tools.bench.gpu.profiling import by_kind, kind_of
from tools.bench.table import NOT_MEASURED, NOT_REACHED, Line
from tools.bench.timing import NotMeasuredError

ROOT = Path(__file__).resolve().parents[1]
BARE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

THERE = {"dsanet_core", "tools", "torch", "torchgen", "functorch", "numpy", "typing_extensions",
         "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec", "triton",
         "nvidia", "cuda"} | sys.stdlib_module_names


class Bare:
    @staticmethod
    def find_spec(name, path=None, target=None):
        known = path is not None or name in THERE or name.startswith("_sysconfigdata")
        return PathFinder.find_spec(name, path, target) if known else None


sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Bare]
for name in ("cv2", "av", "safetensors", "plotly", "pyarrow", "torchvision"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} is there")

from tools.bench.gpu.__main__ import main

sys.exit(main(sys.argv[1:]))
"""
"""Python with torch, what torch needs, numpy and nothing else."""
FURTHER = {
    "ceilings": {"size"},
    "networks": {"batch", "clips/s", "TFLOP/s", "of ceiling, %"},
    "ratios": set(),
    "capture": {"points", "off, ms"},
    "latency": {"clips/s"},
    "modules": {"feature", "GiB", "kernel ms", "floor ms", "of floor, %", "plain ms"},
    "training": {"batch", "clips/s"},
    "limits": {"share, %"},
}
"""Further figures of every line of a section that a CPU can measure."""


@pytest.fixture(scope="module")
def dry() -> dict[str, Any]:
    """The report of a dry run on a bare machine."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, "--dry-run", "--repeats", "2", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{"):])
    return report


def _quiet(**more: Any) -> Device:
    return Device(torch.device("cpu"), quiet=True, **more)


def test_a_dry_run_measures_every_line_with_torch_and_numpy_alone(dry: dict[str, Any]) -> None:
    planned = plan().sections
    assert dry["dry"] and dry["sections"].keys() == planned.keys()
    for key, section in planned.items():
        lines = dry["sections"][key]["lines"]
        assert list(lines) == [line.name for line in section.lines]
        for name, line in lines.items():
            measured = line["median"], line["ratio"]
            assert measured != (None, None), (name, line["remark"])
            assert "Error" not in line["remark"], (name, line["remark"])


def test_a_dry_run_fills_every_column_that_a_cpu_can(dry: dict[str, Any]) -> None:
    assert dry["sections"].keys() == FURTHER.keys()
    for key, further in FURTHER.items():
        for name, line in dry["sections"][key]["lines"].items():
            expected = set(further)
            if key == "ceilings":
                expected |= {"GB/s" if "copy" in name else "TFLOP/s"}
            assert line["more"].keys() >= expected, (name, line)
            has_ratio = key in ("ratios", "capture", "modules")
            assert (line["ratio"] is not None) == has_ratio, (name, line)
            assert (line["median"] is not None) == (key != "ratios"), (name, line)


def test_compiled_and_graphed_answers_are_the_eager_ones(dry: dict[str, Any]) -> None:
    for name, line in dry["sections"]["networks"]["lines"].items():
        if "compiled" in name or "graph" in name:
            assert line["remark"] == EQUAL, name


def test_modules_equal_their_textbook_forms_in_a_dry_run(dry: dict[str, Any]) -> None:
    for line in dry["sections"]["modules"]["lines"].values():
        assert "NOT EQUAL" not in line["remark"]


def test_shares_of_kernel_time_are_all_of_it(dry: dict[str, Any]) -> None:
    lines = dry["sections"]["limits"]["lines"].values()
    assert sum(line["more"]["share, %"] for line in lines) == pytest.approx(100)


@pytest.mark.parametrize("arguments", [[], ["--device", "cpu"]])
def test_without_a_gpu_every_line_is_not_measured_and_says_why(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    target = tmp_path / "table.md"
    assert main([*arguments, "--write", str(target)]) == 0
    text = target.read_text()
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert MEASURED not in text
    lines = plan().lines
    assert text.count(NOT_MEASURED) == len(lines)
    assert text.count("no CUDA GPU") == len(lines)


def test_a_table_without_results_replaces_none_that_has_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "table.md"
    report = plan()
    report.line("limits", "copies").fill([1e-3], {"share, %": 25.0})
    save(report, target)
    measured = target.read_text()
    assert measured.startswith(MEASURED)
    save(plan(), target)
    assert target.read_text() == measured and "stays as it is" in capsys.readouterr().err


def test_a_dry_run_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--dry-run", "--write", str(tmp_path / "table.md")])
    report = plan(dry=True)
    report.line("limits", "copies").fill([1e-3], {"share, %": 25.0})
    assert not report.has_results and "Dry run" in markdown(report)


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    report = plan()
    report.line("capture", "tsn_r50").fill([1e-3, 2e-3, 3e-3], {"points": 7.0}, "a | b\nc")
    text = markdown(report)
    for block in text.split("\n\n"):
        rows = [row for row in block.splitlines() if row.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block
    assert "| tsn_r50 | a batch, captured | 2 ms | 1 ms | 3 |  |  |  | 7 | a / b c |" in text


def test_what_fails_is_a_line_and_the_others_go_on() -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    turns = _quiet(dry=True, repeats=2).in_turns({"bad": fail, "good": lambda: None})
    reason = "OutOfMemoryError: CUDA out of memory. Tried to allocate"
    with pytest.raises(NotMeasuredError, match=reason):
        turns.of("bad")
    assert len(turns.of("good")) == 2
    line = Line("s", "ratio", "words")
    with _quiet().attempt("ratio", line):
        line.set_ratio(turns.ratios("good", "bad"), "good / bad")
    assert not line.is_measured and line.remark == reason


def test_what_is_compared_takes_turns() -> None:
    called: list[str] = []
    actions = {name: lambda name=name: called.append(name) for name in ("a", "b")}
    _quiet(dry=True, repeats=3).in_turns(actions)
    assert called[2:] == ["a", "b", "b", "a", "a", "b"]


def test_an_error_is_the_remark_of_lines_without_figures_and_added_to_a_single_one() -> None:
    lines = [Line("s", name, "words", remark=NOT_REACHED) for name in "ab"]
    lines[0].fill([1.0])
    with _quiet().attempt("task", *lines):
        raise ValueError("wrong\nhere")
    assert [line.remark for line in lines] == ["", "ValueError: wrong here"]
    with _quiet().attempt("task", lines[0]):
        raise ValueError("wrong")
    assert lines[0].remark == "task: ValueError: wrong" and lines[0].median == 1.0


def test_precisions_leave_the_flags_as_they_were() -> None:
    was = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for name, tf32 in (("fp32", False), ("tf32", True), ("bf16", True)):
        with _quiet().precision(name):
            assert torch.backends.cudnn.allow_tf32 == tf32
            assert (torch.get_float32_matmul_precision() == "highest") != tf32
            assert torch.is_autocast_enabled("cpu") == (name == "bf16")
    assert was == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)


def test_textbook_forms_equal_the_modules() -> None:
    torch.manual_seed(0)
    for channels in (16, 32):
        dsa, sda = DSA(channels, 4).eval(), SDA(channels).eval()
        x = torch.randn(8, channels, 4, 8, 8).to(memory_format=torch.channels_last_3d)
        with torch.inference_mode():
            for plain in (dsa, sda):
                module = inference.prepare(copy.deepcopy(plain))
                torch.testing.assert_close(module(x.clone()), plain(x), rtol=1e-4, atol=1e-5)


def test_the_floor_counts_bytes_that_must_be_moved() -> None:
    x = torch.zeros(4, 16, 2, 3, 3)
    size = 4 * x.numel()
    assert floor_bytes(SDA(16), x, in_place=False) == 3 * size
    assert floor_bytes(DSA(16, 4), x, in_place=False) == 2 * size + size // 8
    assert floor_bytes(DSA(16, 4), x, in_place=True) == 3 * size // 8


def test_a_network_without_hook_points_gives_the_same_answers() -> None:
    device = _quiet(dry=True)
    for row in ("dsa_i3d_r50", "sda_tsn_r50"):
        network = build(device, row).eval()
        plain = without_hook_points(network)
        assert hook_points(network) and not hook_points(plain)
        shape = (4, 3, 4, 32, 32) if row.startswith("dsa") else (8, 3, 1, 32, 32)
        clips = draw(device, 2, shape)
        with torch.no_grad():
            torch.testing.assert_close(plain(clips), network(clips))


@pytest.mark.filterwarnings("ignore")  # of the compiler, about what it looks through
def test_compiled_networks_that_differ_in_inserted_modules_are_told_apart() -> None:
    device = _quiet(dry=True)
    clips = draw(device, 2, clip_shape(device, TSN_SHAPE))
    networks = [build(device, row).eval() for row in ("sda_tsn_r50", "tsn_r50")]
    compiled = [forward_in(device, network, clips, COMPILED) for network in networks]
    for action in compiled:
        action()
    for network, action in zip(networks, compiled, strict=True):
        assert difference(action(), forward_in(device, network, clips, BF16)()) < 0.01


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64",
         "convolution and matmul"),
        ("nvjet_tst_192x192_64x4_2x1_v_bz_coopA_NNT", "convolution and matmul"),
        ("cutlass_80_tensorop_s16816gemm_bf16_128x128", "convolution and matmul"),
        ("void cudnn::ops::nchwToNhwcKernel<float, float, float, false, true>", "copies"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<"
         "at::native::direct_copy_kernel_cuda", "copies"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add",
         "elementwise"),
        ("void at::native::batch_norm_transform_input_channels_last_kernel", "normalisation"),
        ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp", "pooling and reduction"),
        ("triton_poi_fused__native_batch_norm_legit_no_training_relu_3", "elementwise"),
        ("triton_red_fused_mean_5", "pooling and reduction"),
        ("something_else", "other"),
    ],
)
def test_kernels_have_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind
    assert by_kind({name: 2.0})[kind] == 1


def test_a_planned_line_has_no_figures_until_it_is_filled() -> None:
    line = plan().line("limits", "copies")
    assert (line.is_measured, line.is_met, line.remark) == (False, None, NOT_REACHED)
    line.fill([1.0], {"share, %": 5.0}, "remark")
    assert (line.median, line.more, line.remark) == (1.0, {"share, %": 5.0}, "remark")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_on_a_gpu_a_dry_run_measures_every_line() -> None:
    report = run_gpu_bench(Device(torch.device("cuda"), dry=True, repeats=3, quiet=True))
    for line in report.lines:
        assert line.is_measured, (line.name, line.remark)
        assert "NOT EQUAL" not in line.remark, (line.name, line.remark)
