"""Records made from a seed, for tests of what reads records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dsanet_core.records import (
    Analysis,
    Familiarity,
    Kernel,
    Model,
    Protocol,
    Sampling,
    Selection,
    Video,
)

CLASSES = ("red then blue", "blue then red", "moving left", "moving right", "filling up")


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def make_kernel(
    seed: int = 0, *, block: str = "layer2.1.dsa", views: int = 2, channels: int = 6, taps: int = 3
) -> Kernel:
    values = softmax(np.random.default_rng(seed).normal(size=(views, channels, taps)) * 2)
    return Kernel(block, values.astype(np.float32), channels_total=channels * 8)


def make_selection(
    seed: int = 0,
    *,
    block: str = "layer1.0.sda",
    views: int = 1,
    frames: int = 8,
    side: int = 4,
    dependencies: tuple[str, ...] = ("LST", "LT", "LS", "S122"),
) -> Selection:
    """A selection as an SDA block of `side` x `side` places makes it, maps in half precision."""
    rng = np.random.default_rng(seed)
    grids = {
        "LST": (1, 1, 1), "LT": (1, side, side), "LS": (frames, 1, 1),
        "S122": (frames, side // 2, side // 2), "S144": (frames, 2, 2),
        "S222": (frames // 2, side // 2, side // 2),
    }  # fmt: skip
    gates = rng.uniform(0.2, 0.8, (2, views, frames, side, side)).astype(np.float16)
    weights = softmax(rng.normal(size=(views, len(dependencies)))).astype(np.float32)
    return Selection(
        block=block,
        dependencies=dependencies,
        aggregation="sec",
        weights=weights,
        energy=rng.uniform(0.1, 2, weights.shape).astype(np.float32),
        gate=gates[0],
        average_gate=gates[1],
        responses=tuple(
            rng.uniform(0, 1, (views, *grids[name])).astype(np.float16) for name in dependencies
        ),
    )


def make_analysis(
    seed: int = 0,
    *,
    snippets: int = 8,
    frames: int = 4,
    group_size: int = 4,
    name: str = "dsa_i3d_synth",
    consensus: str = "dsa",
    classes: tuple[str, ...] = CLASSES,
) -> Analysis:
    """An analysis of a 64-frame video at 25 fps; the same seed gives the same numbers."""
    rng = np.random.default_rng(seed)
    start = np.linspace(0, 63 - 4 * (frames - 1), snippets).astype(np.int64)
    frame_index = start[:, None] + 4 * np.arange(frames)
    logits = rng.normal(size=(snippets, len(classes))) * 2
    protocol = Protocol(
        Sampling(snippets, frames, 4), group_size, 1, 72, 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    )
    analysis = Analysis(
        video=Video("clip.mp4", "0" * 64, "mp4", "h264", 320, 240, 25.0, 2.56, 64, 64),
        model=Model(
            name, f"{name}.safetensors", "1" * 64, "synthetic", classes, 2_000_000, 10**9, consensus
        ),
        protocol=protocol,
        frame_index=frame_index,
        pts_seconds=frame_index / 25.0,
        thumbnails=rng.integers(0, 256, (snippets, frames, 6, 8, 3), np.uint8),
        snippet_scores=softmax(logits).astype(np.float32),
        video_scores=softmax(logits.mean(0)).astype(np.float32),
        familiarity=Familiarity("energy", 1.25, 0.5, 0.95),
        seconds={"decode": 0.125, "network": 0.5},
    )
    if consensus == "sda":
        shape = {"views": protocol.num_views, "frames": protocol.frames_per_view}
        sides = {"layer1.0.sda": 8, "layer1.1.sda": 8, "layer3.0.sda": 4, "layer4.1.sda": 2}
        selections = tuple(
            make_selection(seed + i, block=block, side=side, **shape)
            for i, (block, side) in enumerate(sides.items())
        )
        return replace(analysis, selections=selections)
    if consensus != "dsa":
        return analysis
    blocks = ("layer2.1.dsa", "layer3.1.dsa")
    kernels = tuple(
        make_kernel(seed + i, block=block, views=protocol.num_views)
        for i, block in enumerate(blocks)
    )
    return replace(analysis, kernels=kernels)
