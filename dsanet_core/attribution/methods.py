"""The four methods, by Captum: each gives the maps of the views of what is explained."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dsanet_core.analysis import rows_per_batch
from dsanet_core.attribution.target import Explained, Share, batches, without_frames
from dsanet_core.errors import ModelError
from dsanet_core.records import Method

STEPS = (32, 128, 512)
"""Integrated gradients takes more where the first do not add up to the difference."""
COMPLETENESS = 0.015
"""Largest completeness error, as a share of the difference in the logit or of LEAST_DIFFERENCE."""
LEAST_DIFFERENCE = 0.1
KEPT_BY_AUTOGRAD = 4
"""Memory of a forward with gradients, as a multiple of one without."""
CELLS = 8
MOST_TUBES = 1024

Maker = Callable[[Explained, Tensor, Share], Tensor]
"""(what is explained, views (views, U, 3, T, H, W), progress) -> maps (views, U*T, h, w) in
logits."""


def captum() -> Any:
    """captum.attr, which only attribution needs. Raises ModelError where it is not installed."""
    try:
        from captum import attr
    except ImportError as error:
        raise ModelError(
            f"captum ({error})", "the package captum", "pip install 'dsanet-lens[attribution]'"
        ) from error
    return attr


def integrated_gradients(explained: Explained, views: Tensor, report: Share) -> Tensor:
    """Gradients along the straight way from the mean colour to the views (Sundararajan et al.,
    2017), summed over colours: shares that add up to the difference in the logit."""
    with torch.no_grad():
        logits = torch.cat([explained(batch) for batch in batches(views)])
        difference = float((logits - explained(torch.zeros_like(views[:1]))).mean())
    allowed = COMPLETENESS * max(abs(difference), LEAST_DIFFERENCE)
    forward = _counted(explained, STEPS[0] * len(views), report)
    integrate = captum().IntegratedGradients(forward)
    for steps in STEPS:
        shares = torch.cat([
            integrate.attribute(
                view,
                baselines=0,
                n_steps=steps,
                method="gausslegendre",
                internal_batch_size=max(1, rows_per_batch(view) // KEPT_BY_AUTOGRAD),
            )
            for view in torch.split(views, 1)
        ])  # fmt: skip
        if abs(float(shares.sum()) / len(views) - difference) <= allowed:
            break
    return shares.sum(2).flatten(1, 2)


def grad_cam(explained: Explained, view: Tensor, report: Share) -> Tensor:
    """Features after the last convolution, each channel of a frame weighted by its mean gradient
    (Selvaraju et al., 2017), on their own grid.

    Signed, without the final ReLU: what speaks against the category stays visible, and where the
    features are only averaged and classified, as in every network here, the shares add up to the
    logit less its bias.
    """
    report(0.0)
    tap = nn.Identity()  # Captum hooks this one, never a layer that other threads use too

    def tapped(features: Tensor) -> Tensor:
        """(B, C, T, h, w) in and out; at the tap every frame stands alone."""
        frames = tap(features.transpose(1, 2).flatten(0, 1))               # (B*T, C, h, w)
        return torch.unflatten(frames, 0, (features.shape[0], -1)).transpose(1, 2)

    cam = captum().LayerGradCam(
        lambda clips: explained.logits(clips, {explained.stage: tapped})[:, explained.category],
        tap,
    )
    maps: Tensor = cam.attribute(view)                                     # (U*T, 1, h, w)
    return maps[:, 0]


def occlusion(explained: Explained, view: Tensor, report: Share) -> Tensor:
    """Fall of the logit when a tube is filled with the mean colour (after Zeiler and Fergus,
    2014), on a grid of cells.

    A tube is a quarter of the crop's side wide and high, and as long as its snippet; of single
    frames it takes two. Tubes overlap by half, unless all views would take more than MOST_TUBES:
    then they lie side by side in space. A fall is shared evenly by the cells of its tube, and a
    cell gets the mean over the tubes that hold it.
    """
    _, snippets, _, frames, height, width = view.shape
    snippets_each = 1 if frames > 1 else min(2, snippets)
    lengths = snippets - snippets_each + 1
    cells = CELLS
    if lengths * (cells - 1) ** 2 * len(explained.views) > MOST_TUBES:
        cells //= 2
    patch = tuple(max(1, size * 2 // CELLS) for size in (height, width))
    stride = tuple(max(1, size // cells) for size in (height, width))
    places = math.prod(
        math.ceil((size - window) / step) + 1
        for size, window, step in zip((height, width), patch, stride, strict=True)
    )
    falls: Tensor = captum().Occlusion(_counted(explained, places * lengths, report)).attribute(
        view,
        sliding_window_shapes=(snippets_each, 3, frames, *patch),
        strides=(1, 3, frames, *stride),
        baselines=0,
        perturbations_per_eval=rows_per_batch(view),
    )
    rows, columns = (
        torch.arange(cells, device=view.device).add(0.5).mul(size / cells).long()
        for size in (height, width)
    )
    cells_of_tube = (2 * cells // CELLS) ** 2 * frames * snippets_each
    return falls[0, :, 0].flatten(0, 1)[:, rows[:, None], columns] / cells_of_tube


def ablation(explained: Explained, view: Tensor, report: Share) -> Tensor:
    """Fall of the logit when a snippet, or one frame of it, is frozen: the frame before is
    repeated (`without_frames`).

    A snippet's fall is shared evenly by its frames; each then gets what its own fall is above or
    below the mean of its snippet's. So the shares of a snippet add up to its own fall.
    """
    _, snippets, _, frames = view.shape[:4]
    count = snippets * frames
    forward = _counted(explained, snippets * (frames + 1 if frames > 1 else 1), report)
    ablate = captum().FeatureAblation(forward)
    frame = torch.arange(count, device=view.device)

    def falls(part: Tensor) -> Tensor:
        """part: (U*T,) which frames stand still together."""
        frozen = without_frames(view[0], part != part[:, None])            # (U*T, U, 3, T, H, W)
        snippet = frame // frames
        frozen = frozen[frame, snippet, :, frame % frames]                 # (U*T, 3, H, W)
        frozen = torch.unflatten(frozen, 0, (snippets, frames)).transpose(1, 2)
        out: Tensor = ablate.attribute(
            view,
            baselines=frozen[None],
            feature_mask=part.view(1, snippets, 1, frames, 1, 1),
            perturbations_per_eval=rows_per_batch(view),
        )
        return out[0, :, 0, :, 0, 0]                                       # (U, T)

    shares = falls(frame // frames) / frames
    if frames > 1:
        own = falls(frame)
        shares = shares + own - own.mean(1, keepdim=True)
    return shares.reshape(-1, 1, 1)


def _each(made: Maker) -> Maker:
    """A maker for one view after the other: (1, U, 3, T, H, W) -> (U*T, h, w)."""

    def of_views(explained: Explained, views: Tensor, report: Share) -> Tensor:
        def of_view(place: int) -> Tensor:
            done = partial(_part, report, place, len(views))
            return made(explained, views[place : place + 1], done)

        return torch.stack([of_view(place) for place in range(len(views))])

    return of_views


METHODS: dict[Method, Maker] = {
    "integrated_gradients": integrated_gradients,
    "grad_cam": _each(grad_cam),
    "occlusion": _each(occlusion),
    "ablation": _each(ablation),
}


def _part(report: Share, place: int, parts: int, share: float) -> None:
    """The progress of one of the parts as that of all."""
    report((place + share) / parts)


def _counted(explained: Explained, total: int, report: Share) -> Callable[[Tensor], Tensor]:
    """The logit, telling before each chunk how many of `total` forwards are done."""
    done = 0

    def forward(clips: Tensor) -> Tensor:
        nonlocal done
        report(min(1.0, done / total))
        done += len(clips)
        return explained(clips)

    return forward
