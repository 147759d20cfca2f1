"""Records of why, made from a seed, for tests of what reads them."""

from __future__ import annotations

import numpy as np

from dsanet_core.records import (
    Analysis,
    Attribution,
    Effects,
    Faithfulness,
    Method,
    Rate,
    RunEffects,
    Trust,
)


def make_attribution(
    analysis: Analysis,
    *,
    method: Method = "integrated_gradients",
    category: int = 0,
    snippet: int | None = None,
    side: int = 4,
    seed: int = 0,
) -> Attribution:
    """Maps whose shares add up to the difference of the two scores."""
    protocol = analysis.protocol
    shape = (protocol.num_views, protocol.frames_per_view, side, side)
    maps = np.random.default_rng(seed).normal(0.01, 0.05, shape).astype(np.float32)
    if snippet is not None:
        of_frame = protocol.snippet_of_view.repeat(protocol.sampling.frames_per_snippet, 1)
        seen = of_frame == snippet
        maps *= seen[:, :, None, None]
    explained = protocol.num_views if snippet is None else protocol.num_crops
    return Attribution(
        video=analysis.video, model=analysis.model, protocol=protocol, method=method,
        category=category, snippet=snippet, maps=maps,
        score=1.5, baseline_score=1.5 - float(maps.sum(dtype=np.float64)) / explained,
        baseline="the video's mean colour", seconds=0.5,
    )  # fmt: skip


def make_faithfulness(*, steps: int = 6, orders: int = 5, seed: int = 0) -> Faithfulness:
    rng = np.random.default_rng(seed)
    shares = np.linspace(0, 1, steps)
    noise = rng.uniform(-0.1, 0.1, (2, orders, steps))
    return Faithfulness(
        shares=shares, deletion=0.9 * (1 - shares) ** 3, insertion=0.9 * shares**0.3,
        random_deletion=np.clip(0.9 * (1 - shares) + noise[0], 0, 1),
        random_insertion=np.clip(0.9 * shares + noise[1], 0, 1),
        parts="tubes of 8 x 8 pixels",
    )  # fmt: skip


def make_trust(method: Method = "integrated_gradients", **choices: object) -> Trust:
    facts = {
        "model": "dsa_i3d_synth", "weights_sha256": "1" * 64, "method": method,
        "dataset": "300 embedded videos", "pointing": Rate(0.84, 300, 0.07),
        "timing": Rate(0.71, 240, 0.31), "gain": 0.42, "random_gain": 0.05, "gain_videos": 60,
        "sanity": 0.08, "sanity_videos": 30,
    }  # fmt: skip
    return Trust(**(facts | choices))  # type: ignore[arg-type]


def make_effects(category: int = 0) -> Effects:
    return Effects(
        category=category,
        before=0.8,
        blocks=("layer2.1.dsa", "layer3.0.dsa", "layer3.1.dsa"),
        changes=tuple(f"{place}: identity kernel" for place in ("first", "second", "third")),
        after=np.array([0.7, 0.1, 0.85]),
        answers=np.array([category, (category + 1) % 5, category]),
    )


def make_run_effects(classes: int, *, blocks: int = 3, seed: int = 0) -> RunEffects:
    """Category 1 has no videos."""
    rng = np.random.default_rng(seed)
    videos = np.arange(4, 4 + classes)
    videos[1] = 0
    drop = rng.uniform(-0.1, 0.6, (classes, blocks))
    before = rng.uniform(0.6, 1, classes)
    drop[1], before[1] = np.nan, np.nan
    return RunEffects(
        blocks=tuple(f"layer{2 + place}.1.dsa" for place in range(blocks)),
        changes=tuple(f"identity kernel in block {place}" for place in range(blocks)),
        videos=videos, before=before, after=before[:, None] - drop, drop=drop,
        seconds={"network": 1.0},
    )  # fmt: skip
