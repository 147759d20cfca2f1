"""Insertion and deletion curves: the prediction while important parts are removed or restored.

Petsiuk et al., "RISE", 2018.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dsanet_core.analysis import StepProgress, rows_per_batch
from dsanet_core.attribution.target import Explained, Share, without_frames, without_patches
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Attribution, Clips, Faithfulness
from dsanet_core.video import to_tensor

GRID = 8
STEPS = 16
ORDERS = 5


def faithfulness(
    clips: Clips,
    network: VideoNetwork,
    attribution: Attribution,
    *,
    orders: int = ORDERS,
    progress: StepProgress | None = None,
) -> Faithfulness:
    """Insertion and deletion curves of an attribution of these clips by this network.

    A part is a patch of a snippet, 8 x 8 to a crop or fewer where the map's own grid is coarser; a
    frame, where maps say nothing of places. The parts of all views are ranked together, and STEPS
    shares of them are taken away, or put back into nothing, at once. What is absent is as in the
    attribution. orders: how many random ones stand beside, always the same. progress: called
    with ("curves", share) before every chunk; what it raises ends the work.
    """
    report = progress or (lambda step, share: None)
    explained = Explained(network, attribution.category, attribution.snippet)
    if attribution.protocol != explained.protocol:
        raise ModelError(
            f"an attribution by {attribution.protocol.describe()}",
            explained.protocol.describe(),
            "Take the network that the attribution explains.",
        )
    views = explained.own(to_tensor(clips, explained.protocol))
    values = in_parts(attribution.maps[explained.views], GRID)
    values = values.reshape(len(views), *views.shape[1:4:2], *values.shape[2:])
    of_frames = attribution.method == "ablation"
    if not of_frames:
        values = values.sum(2, keepdims=True)                        # (views, U, t, rows, columns)
    rng = np.random.default_rng(0)
    ranked = [np.argsort(-values, axis=None, kind="stable")]
    ranked += [rng.permutation(values.size) for _ in range(orders)]
    shares = np.linspace(0, 1, STEPS)
    kept = []
    for order in ranked:
        rank = np.empty(values.size, np.int64)
        rank[order] = np.arange(values.size)
        touched = rank < np.rint(shares * values.size)[:, None]      # (steps, parts)
        kept += [~touched, touched]
    present = np.concatenate(kept).reshape(-1, *values.shape)
    if of_frames:
        present = present.reshape(len(present), len(views), -1)      # (n, views, F)
    curves = _probabilities(explained, views, present, lambda share: report("curves", share))
    deletion, insertion = curves.reshape(1 + orders, 2, STEPS).swapaxes(0, 1)
    rows, columns = values.shape[3:]
    return Faithfulness(
        shares=shares,
        deletion=deletion[0],
        insertion=insertion[0],
        random_deletion=deletion[1:],
        random_insertion=insertion[1:],
        parts="frames"
        if of_frames
        else f"patches, {rows} x {columns} to each {explained.protocol.snippet_word}",
    )


def in_parts(maps: Array, most: int) -> Array:
    """(views, F, h, w) -> (views, F, rows, columns): sums over patches, at most so many a side."""
    for axis in (2, 3):
        size = maps.shape[axis]
        parts = min(most, size)
        starts = -(-np.arange(parts) * size // parts)
        maps = np.add.reduceat(maps, starts, axis, dtype=np.float64)
    return maps


def _probabilities(explained: Explained, views: Tensor, present: Array, report: Share) -> Array:
    """(n, views, U, t, rows, columns) patches, or (n, views, F) frames, bool -> (n,) probability,
    mean over the views, of nothing but what is present."""
    total = np.zeros(len(present))
    without = without_frames if present.ndim == 3 else without_patches
    chunk = rows_per_batch(views)
    for place, view in enumerate(views):                             # (U, 3, T, H, W)
        for start in range(0, len(present), chunk):
            report((place + start / len(present)) / len(views))
            few = torch.from_numpy(present[start : start + chunk, place]).to(view.device)
            total[start : start + chunk] += explained.probabilities(without(view, few))
    return total / len(views)
