"""Attribution of one prediction by one method."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dsanet_core.analysis import (
    StepProgress,
    category_index,
    describe_model,
    open_clips,
    open_network,
    protocol_of,
)
from dsanet_core.attribution.methods import METHODS
from dsanet_core.attribution.target import (
    MEAN_COLOUR,
    NO_FEATURES,
    STILL,
    Explained,
    batches,
    without_frames,
)
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Attribution, Clips, Method
from dsanet_core.video import to_tensor

_ABSENT: dict[Method, str] = {"grad_cam": NO_FEATURES, "ablation": STILL}


def attribute(
    video: str | Path | Clips,
    model: str | Path | VideoNetwork,
    method: Method,
    *,
    category: str | int | None = None,
    snippet: int | None = None,
    device: str = "auto",
    progress: StepProgress | None = None,
) -> Attribution:
    """Contribution of every part of the network's input to a category's logit.

    video, model: as for `analyze`. category: name or index; None takes the one predicted, of the
    video or of the snippet. snippet: index, counted from 0; None explains the whole video.
    progress: called with ("decode" | "transform" | "attribute", share); an exception ends the work.
    Runs in the precision of the network's parameters and leaves the network as it is, so that
    several threads can share it. Memory is bounded: one view after the other, a few copies at once.
    Raises VideoError, CheckpointError, or ModelError for what does not fit or is not there.
    """
    report = progress or (lambda step, share: None)
    if method not in METHODS:
        raise ModelError(f"method {method!r}", f"one of {tuple(METHODS)}", "Choose one of them.")
    network = open_network(model, device)
    protocol = protocol_of(network)
    clips, _ = open_clips(video, network, report)
    report("transform", 0.0)
    views = to_tensor(clips, protocol)
    report("attribute", 0.0)
    start = time.perf_counter()
    explained = Explained(network, _index(network, category, snippet, views), snippet)
    own = explained.own(views)
    seen = METHODS[method](explained, own, lambda share: report("attribute", share))
    maps = np.zeros((protocol.num_views, *seen.shape[1:]), np.float32)
    maps[explained.views] = seen.detach().cpu().numpy()
    with torch.no_grad():
        score = torch.cat([explained(batch) for batch in batches(own)]).mean()
        nothing = _logit_of_nothing(explained, own, method)
    report("attribute", 1.0)
    return Attribution(
        video=clips.frames.video,
        model=describe_model(network),
        protocol=protocol,
        method=method,
        category=explained.category,
        snippet=snippet,
        maps=maps,
        score=float(score),
        baseline_score=float(nothing),
        baseline=_ABSENT.get(method, MEAN_COLOUR),
        seconds=time.perf_counter() - start,
    )


def _logit_of_nothing(explained: Explained, views: Tensor, method: Method) -> Tensor:
    """The explained logit of the baseline: the whole input absent."""
    if method == "ablation":
        none = torch.zeros(1, views.shape[1] * views.shape[3], dtype=torch.bool)
        still = [without_frames(view, none.to(view.device)) for view in views]
        return torch.cat([explained(clips) for clips in still]).mean()
    view = views[:1]
    if method == "grad_cam":
        return explained.logits(view, {explained.stage: torch.zeros_like})[0, explained.category]
    return explained(torch.zeros_like(view))[0]


def _index(
    network: VideoNetwork, category: str | int | None, snippet: int | None, views: Tensor
) -> int:
    if isinstance(category, str):
        return category_index(network, category)
    if category is not None:
        return category
    anything = Explained(network, 0, snippet)
    with torch.no_grad():
        logits = torch.cat([anything.logits(batch) for batch in batches(anything.own(views))])
    return int(logits.double().softmax(-1).mean(0).argmax())
