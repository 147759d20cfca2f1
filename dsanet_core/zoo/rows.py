"""The rows of the zoo: every network of the two papers, the embedded ones, and test protocols."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from dsanet_core.models.dependencies import DEFAULT_DEPENDENCIES
from dsanet_core.records import Protocol, Sampling
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.zoo.spec import ModelSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet, on the 0-1 scale."""


def kinetics(frames: int, *, group_size: int = 4) -> Protocol:
    """DSANet, section 4.2: 8 snippets of `frames` frames, stride 8, 3 crops of short side 256.

    The crops are 256 x 256, as in the authors' test configuration; the papers' multiply-adds are
    for 224 x 224. group_size: U of one forward, so that 8 snippets are 2 interleaved groups of 4.
    """
    return Protocol(
        sampling=Sampling(num_snippets=8, frames_per_snippet=frames, frame_stride=8),
        group_size=group_size,
        num_crops=3,
        resize=256,
        crop=256,
        mean=MEAN,
        std=STD,
    )


def something_something(frames: int, *, crops: int = 1, clips: int = 1) -> Protocol:
    """SDA, section 4.2: `frames` single frames spread over the video, centre crop 224 of short side
    256; with 3 crops, squares of 256 along the long side, each resized to 224.

    clips: number of clips, shifted against each other by equal parts of the frame distance (2: the
    twice-sampling of TSM, Lin et al.).
    """
    return Protocol(
        sampling=Sampling(num_snippets=frames * clips, frames_per_snippet=1, frame_stride=1),
        group_size=frames,
        num_crops=crops,
        resize=256,
        crop=224 if crops == 1 else 256,
        resolution=224,
        mean=MEAN,
        std=STD,
    )


TEST_PROTOCOLS: dict[str, Protocol] = {
    **{
        f"{frames}x{crops}x{clips}": something_something(frames, crops=crops, clips=clips)
        for frames in (8, 16)
        for crops, clips in ((1, 1), (1, 2), (3, 2))
    },
    "4x8x3": kinetics(4),
    "8x8x3": kinetics(8),
}
"""Test protocols by the papers' names: frames x crops x clips in SDA, Table 3; frames x snippets x
crops in DSANet, Table 4."""

_DSA = {"stages": [3, 4], "position": "II", "every": 2, "num_snippets": 4}
_DSA_PAPER = _DSA | {"kernel_size": 3, "alpha": 2, "beta": 1 / 8}
# A quarter of the paper's channels: beta 1/8 would aggregate 4 and 8 of them only.
_DSA_SYNTH = _DSA | {"kernel_size": 3, "alpha": 2, "beta": 1 / 2}
_FOURD = {"stages": [3, 4], "num_snippets": 4}
_SE = {"stages": [3, 4], "every": 2}
_SDA = {
    "dependencies": [*DEFAULT_DEPENDENCIES], "reduction": 4, "aggregation": "sec",
}


ENSEMBLES: dict[str, dict[str, str]] = {
    "sda_tsn_r50_en": {"sda_tsn_r50": "8x3x2", "sda_tsn_r50_16f": "16x3x2"},
    "sda_tsm_r50_en": {"sda_tsm_r50": "8x3x2", "sda_tsm_r50_16f": "16x3x2"},
    "dsa_i3d_r50_en": {"dsa_i3d_r50": "4x8x3", "dsa_i3d_r50_8x8": "8x8x3"},
}
"""Ensembles of the papers ("En" in SDA, Table 3; "(4+8)x8x3" in DSANet, Table 4): the row and test
protocol of each member."""


def placeholder_classes(count: int) -> tuple[str, ...]:
    """Class names of a network without a label list: "class 0", ..."""
    return tuple(f"class {index}" for index in range(count))


def all_rows() -> list[ModelSpec]:
    return [*_kinetics_rows(), *_something_rows(), *_synth_rows()]


def _kinetics_rows() -> Iterator[ModelSpec]:
    """DSANet (Wu et al., 2021) and its baselines."""

    def row(name: str, depth: int, group_size: int, description: str, **more: Any) -> ModelSpec:
        return ModelSpec(
            name=name,
            build=more.pop("build", "i3d_resnet"),
            protocol=kinetics(more.pop("frames", 4), group_size=group_size),
            args={"depth": depth, **more},
            classes=placeholder_classes(400),
            description=description,
            reference="DSANet (Wu et al., 2021), Tables 1, 2 and 4",
        )

    for depth in (18, 50):
        net = f"I3D ResNet-{depth}"
        yield row(f"i3d_r{depth}", depth, 1, f"{net}, trained on one snippet, scores averaged")
        yield row(f"tsn_i3d_r{depth}", depth, 4, f"{net}, trained on 4 snippets, scores averaged")
        yield row(f"se_i3d_r{depth}", depth, 4, f"{net} with SE in res3 and res4", se=_SE)
        yield row(f"v4d_i3d_r{depth}", depth, 4, f"{net}, a residual 4D convolution after res3 "
                  "and res4 (V4D)", fourd=_FOURD)
        yield row(f"dsa_i3d_r{depth}", depth, 4, f"{net} with DSA in res3 and res4",
                  dsa=_DSA_PAPER)
    yield row("dsa_i3d_r50_8x8", 50, 4, "I3D ResNet-50 with DSA in res3 and res4, 8 frames per "
              "snippet", dsa=_DSA_PAPER, frames=8)
    yield row("dsa_tsm_r50", 50, 4, "TSM ResNet-50 with DSA in res3 and res4, 8 frames per "
              "snippet", build="tsn_resnet", shift={}, dsa=_DSA_PAPER, frames=8)


def _something_rows() -> Iterator[ModelSpec]:
    """SDA-Nets (Tan et al., 2021) and their baselines."""

    def row(name: str, depth: int, description: str, *, frames: int = 8, **more: Any) -> ModelSpec:
        return ModelSpec(
            name=name if frames == 8 else f"{name}_{frames}f",
            build=more.pop("build", "tsn_resnet"),
            protocol=something_something(frames),
            args={"depth": depth, "axis": "clip", **more},
            classes=placeholder_classes(174),
            description=f"{description}, {frames} frames",
            reference="SDA (Tan et al., 2021), Tables 1 to 6",
        )

    for depth in (18, 50, 101):
        yield row(f"tsn_r{depth}", depth, f"2D ResNet-{depth}, scores averaged (TSN)")
    for depth in (18, 50, 101):
        yield row(f"tsm_r{depth}", depth, f"2D ResNet-{depth} with temporal shift (TSM)", shift={})
    yield row("tsm_r50", 50, "2D ResNet-50 with temporal shift (TSM)", frames=16, shift={})
    for frames in (8, 16):
        yield row("sda_tsn_r50", 50, "TSN ResNet-50 with SDA in every block", frames=frames,
                  sda=_SDA)
    for frames in (8, 16):
        yield row("sda_tsm_r50", 50, "TSM ResNet-50 with SDA in every block", frames=frames,
                  shift={}, sda=_SDA)
    yield row("c3d_r50", 50, "3D ResNet-50, 3x3x3 convolutions (C3D)", build="c3d_resnet")
    yield row("gst_r50", 50, "ResNet-50 with grouped spatial-temporal convolutions (GST)", gst={})


def _synth_protocol(group_size: int, sampling: Sampling) -> Protocol:
    return Protocol(
        sampling=sampling,
        group_size=group_size,
        num_crops=1,
        resize=72,
        crop=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


def _synth_rows() -> Iterator[ModelSpec]:
    def row(
        name: str, description: str, *, build: str, protocol: Protocol, **more: Any
    ) -> ModelSpec:
        return ModelSpec(
            name=name,
            build=build,
            args={"depth": 18, "width": 16, "dropout": 0.2, **more},
            protocol=protocol,
            classes=CATEGORIES,
            description=description,
            reference="the embedded benchmark (dsanet_core.synthetic)",
        )

    snippets = Sampling(num_snippets=8, frames_per_snippet=4, frame_stride=4)
    i3d = partial(row, build="i3d_resnet")
    one, four = _synth_protocol(1, snippets), _synth_protocol(4, snippets)
    net = "I3D ResNet-18 of width 16"
    yield i3d("i3d_synth", f"{net} trained on one snippet, scores averaged", protocol=one)
    yield i3d("tsn_i3d_synth", f"{net} trained on 4 snippets, scores averaged", protocol=four)
    yield i3d("se_i3d_synth", f"{net} with SE in res3 and res4", protocol=four, se=_SE)
    yield i3d("v4d_i3d_synth", f"{net}, a residual 4D convolution after res3 and res4 (V4D)",
              protocol=four, fourd=_FOURD)
    yield i3d("dsa_i3d_synth", f"{net} with DSA in res3 and res4", protocol=four, dsa=_DSA_SYNTH)
    yield row("dsa_tsm_synth", "TSM ResNet-18 of width 16 with DSA in res3 and res4",
              build="tsn_resnet", protocol=four, shift={}, dsa=_DSA_SYNTH)

    frames = Sampling(num_snippets=8, frames_per_snippet=1, frame_stride=1)
    tsn = partial(row, build="tsn_resnet", protocol=_synth_protocol(8, frames), axis="clip")
    net = "2D ResNet-18 of width 16 on 8 frames"
    yield tsn("tsn_synth", f"{net}, scores averaged")
    for dependency in DEFAULT_DEPENDENCIES:
        yield tsn(f"sda_tsn_{dependency.lower()}_synth", f"{net} with {dependency} alone in every "
                  "block", sda=_SDA | {"dependencies": [dependency], "aggregation": "avg"})
    yield tsn("sda_tsn_avg_synth", f"{net} with SDA in every block, dependencies averaged (AVG)",
              sda=_SDA | {"aggregation": "avg"})
    yield tsn("sda_tsn_synth", f"{net} with SDA in every block", sda=_SDA)
    yield tsn("tsm_synth", f"{net} with temporal shift (TSM)", shift={})
    yield tsn("sda_tsm_synth", f"{net} with temporal shift (TSM) and SDA in every block",
              shift={}, sda=_SDA)
