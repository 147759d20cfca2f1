"""Runs of any size whose numbers come from no network, and say so: for measurements and tests.

    python -m tools.made_up_run 20000 174 16 FOLDER    # videos, categories, SDA blocks
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dsanet_core.records import DISTANCES, Array, Layers, Model, Protocol, Run, Sampling
from dsanet_core.runs.summary import FILE, save_run

PROTOCOL = Protocol(
    sampling=Sampling(num_snippets=8, frames_per_snippet=1, frame_stride=1), group_size=8,
    num_crops=1, resize=72, crop=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
)
DEPENDENCIES = ("LST", "LT", "LS", "S122")


def made_up_run(
    videos: int,
    categories: int,
    blocks: int,
    *,
    seed: int = 0,
    skill: float = 2.0,
    name: str = "made_up",
    sda: bool = True,
    dsa: bool = False,
) -> Run:
    """A run with random scores, the true category raised by `skill` in its logit.

    Rows and labels do not depend on the seed, so that two such runs are of the same videos.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(videos) % categories
    logits = rng.normal(size=(videos, categories)).astype(np.float32) * 1.5
    logits[np.arange(videos), label] += skill * rng.random(videos) * 2
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    own = scores[np.arange(videos), label]
    classes = tuple(f"Category {index:03d} of something made up" for index in range(categories))
    return Run(
        id=f"{name}-{seed}",
        dataset=f"made up: {videos} videos",
        dataset_sha256="0" * 64,
        model=Model(
            name=name, weights="none", weights_sha256=f"{seed:064d}", trained_on="nothing: made up",
            classes=classes, params=1, macs=1, consensus="sda" if sda else "average",
        ),
        protocol=PROTOCOL,
        protocol_in_words=PROTOCOL.describe(),
        row=np.arange(videos),
        video=np.array([f"video-{index}" for index in range(videos)], object),
        label=label.astype(np.int32),
        predicted=scores.argmax(1).astype(np.int32),
        confidence=scores.max(1),
        label_score=own,
        label_rank=(scores > own[:, None]).sum(1).astype(np.int32),
        mean_average_precision=0.5,
        groups={
            "even": classes[::2],
            "odd": classes[1::2],
        },
        selections=_selections(rng, categories, blocks) if sda else None,
        kernels=_kernels(rng, categories, blocks) if dsa else None,
        seconds={"decode": 0.01 * videos, "network": 0.02 * videos},
        versions={"dsanet_core": "made up"},
        made_up=True,
    )


def block_names(blocks: int, part: str) -> tuple[str, ...]:
    """Dotted names of blocks spread over the four stages as ResNet-50 has them."""
    sizes = np.array([3, 4, 6, 3]) * blocks / 16
    stage = np.searchsorted(np.cumsum(sizes) - 1e-9, np.arange(blocks), side="right").clip(max=3)
    return tuple(
        f"layer{of + 1}.{int((stage[:index] == of).sum())}.{part}" for index, of in enumerate(stage)
    )


def _selections(rng: np.random.Generator, categories: int, blocks: int) -> Layers:
    logits = rng.normal(size=(1, blocks, 4)) + 0.5 * rng.normal(size=(categories, blocks, 4))
    mean: Array = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    spread = rng.uniform(0.01, 0.08, mean.shape)
    return Layers(block_names(blocks, "sda"), DEPENDENCIES, mean.round(6), spread.round(6))


def _kernels(rng: np.random.Generator, categories: int, blocks: int) -> Layers:
    mean = rng.uniform(0.1, 0.6, (categories, blocks, 2))
    spread = rng.uniform(0.01, 0.08, mean.shape)
    return Layers(block_names(blocks, "dsa"), DISTANCES, mean.round(6), spread.round(6))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    run = made_up_run(*map(int, sys.argv[1:4]))
    folder = Path(sys.argv[4]) / run.id
    folder.mkdir(parents=True, exist_ok=True)
    save_run(run, folder / FILE)
    print(folder)
