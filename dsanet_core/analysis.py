"""Analysis of one video by one network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from dsanet_core.checkpoints import Weights, load_model
from dsanet_core.counting import complexity
from dsanet_core.errors import ModelError
from dsanet_core.hooks import Captured, Intervention, capture
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.records import Analysis, Array, Clips, Kernel, Model, Protocol, Selection
from dsanet_core.video import read_clips, to_tensor
from dsanet_core.workers import free_bytes

StepProgress = Callable[[str, float], None]
"""Called with a step ("decode", "transform", "network") and the done share of it, 0 to 1. What it
raises ends the analysis: that is how a caller cancels."""

THUMBNAIL_SIDE = 112
THUMBNAIL_LONG_SIDE = 448
PIXELS_PER_BATCH = 2**20
"""Of one forward on a CPU; more is no faster there."""
GPU_BYTES_PER_PIXEL = 1024
"""Of one forward on a GPU: twice what a ResNet-50 holds at once in float32, its input included."""
_POINTS = ("hook_snippet_scores", "*.hook_kernel", "*.sda.hook_dependency_weights")
_SELECTION_POINTS = (
    "*.sda.hook_gate",
    "*.sda.hook_average_gate",
    "*.sda.mdm.*.hook_response",
)


@dataclass(frozen=True)
class NetworkOutput:
    """Output of a network for the views of one video.

    video_scores: (classes,) softmax per view, averaged over views. snippet_scores: (snippets,
    classes) softmax of each snippet's own logits, averaged over crops. snippet_logits: (views, U,
    classes) those logits. appearance: (values,) statistics of the network's appearance points,
    averaged over views and snippets.
    kernels: one per DSA block. dependencies, dependency_weights: names of the M dependencies, and
    the QSA weights (views, M) of every SDA block; selections: all of what they selected, where that
    was requested. SDA blocks that work within single snippets are left out.
    """

    video_scores: Array
    snippet_scores: Array
    snippet_logits: Array
    appearance: Array
    kernels: tuple[Kernel, ...]
    dependencies: tuple[str, ...]
    dependency_weights: dict[str, Array]
    selections: tuple[Selection, ...]


def analyze(
    video: str | Path | Clips,
    model: str | Path | VideoNetwork,
    *,
    device: str = "auto",
    progress: StepProgress | None = None,
) -> Analysis:
    """Run a network on a video by the network's own test protocol.

    video: a file, or its clips already decoded with the same sampling (several models can share
    one decode). model: a name or file for `load_model`, onto `device`; or a network in evaluation
    mode, which runs where it is. Safe to call from several threads with one network.
    Raises VideoError, CheckpointError, or ModelError if model and clips do not fit.
    """
    report = progress or (lambda step, share: None)
    network = open_network(model, device)
    clips, seconds = open_clips(video, network, report)
    return analyze_clips(clips, network, seconds, report)


def open_network(model: str | Path | VideoNetwork, device: str) -> VideoNetwork:
    """The network of a `model` argument of `analyze`. Raises CheckpointError."""
    return model if isinstance(model, VideoNetwork) else load_model(model, device)


def open_clips(
    video: str | Path | Clips, network: VideoNetwork, report: StepProgress
) -> tuple[Clips, dict[str, float]]:
    """The clips of a `video` argument of `analyze`, and the seconds of decoding by step.
    Raises VideoError, or ModelError if the clips were sampled for another network."""
    sampling = protocol_of(network).sampling
    seconds: dict[str, float] = {}
    if isinstance(video, Clips):
        clips = video
    else:
        with _timed("decode", seconds, report):
            clips = read_clips(video, sampling)
    if clips.sampling != sampling:
        raise ModelError(
            f"clips of {clips.sampling}",
            f"{sampling} for {network.spec.name}",
            "Decode the video again with this model's sampling.",
        )
    return clips, seconds


def analyze_clips(
    clips: Clips,
    network: VideoNetwork,
    seconds: dict[str, float],
    report: StepProgress,
    *,
    absent: Array | None = None,
    interventions: Mapping[str, Intervention] | None = None,
    changes: tuple[str, ...] = (),
) -> Analysis:
    """The analysis of clips from `open_clips`. seconds: their decoding time, completed in place.

    absent: (snippets,) bool, of which the network is shown the training mean colour, which is zero
    after normalisation. interventions: as of `capture`. changes: all of this in words.
    """
    protocol = protocol_of(network)
    with _timed("transform", seconds, report):
        views = to_tensor(clips, protocol)
        thumbnails = make_thumbnails(clips)
        if absent is not None:
            views[torch.from_numpy(absent[protocol.snippet_of_view])] = 0
            thumbnails[absent] = np.round(255 * np.array(protocol.mean)).astype(np.uint8)
    with _timed("network", seconds, report):
        output = run_network(network, views, report, selections=True, interventions=interventions)
    weights = network.weights
    known = weights.familiarity if isinstance(weights, Weights) else None
    return Analysis(
        video=clips.frames.video,
        model=describe_model(network),
        protocol=protocol,
        frame_index=clips.frame_index,
        pts_seconds=clips.pts_seconds,
        thumbnails=thumbnails,
        snippet_scores=output.snippet_scores,
        video_scores=output.video_scores,
        kernels=output.kernels,
        selections=output.selections,
        familiarity=None if known is None else known.judge(output.appearance),
        seconds=seconds,
        changes=changes,
    )


def run_network(
    network: VideoNetwork,
    views: Tensor,
    progress: StepProgress | None = None,
    *,
    selections: bool = False,
    interventions: Mapping[str, Intervention] | None = None,
) -> NetworkOutput:
    """Run all views (views, U, 3, T, H, W) of one video, a bounded number at a time.

    selections: also capture what the SDA blocks selected; that costs them a second gate each, under
    equal weights. interventions: as of `capture`; each is called once for every so many views.
    """
    protocol = protocol_of(network)
    if network.training:
        raise ModelError("a network in training mode", "evaluation mode", "Call .eval() first.")
    if len(views) != protocol.num_views:
        raise ModelError(
            f"{len(views)} views", f"{protocol.num_views}", "Make them with to_tensor()."
        )
    device = next(network.parameters()).device
    step = rows_per_batch(views, device)
    points = (*_POINTS, *network.appearance_points, *(_SELECTION_POINTS if selections else ()))
    logits = []
    listening = capture(points, interventions=interventions)
    with torch.inference_mode(), _precision(protocol, device), listening as captured:
        done = 0
        for clips in _on_device(torch.split(views, step), device):
            logits.append(network(clips).float().cpu())
            done += len(clips)
            if progress is not None:
                progress("network", done / len(views))
    snippet_logits = captured["hook_snippet_scores"].float()  # (views, U, classes)
    own_scores = snippet_logits.softmax(-1).flatten(0, 1).numpy()
    selecting = {
        block: module
        for block, module in network.named_modules()
        if isinstance(module, SDA)
        and len(captured[f"{block}.hook_dependency_weights"]) == len(views)
    }
    snippet_scores = np.zeros((protocol.sampling.num_snippets, own_scores.shape[-1]), np.float32)
    np.add.at(snippet_scores, protocol.snippet_of_view.ravel(), own_scores)
    return NetworkOutput(
        video_scores=torch.cat(logits).softmax(-1).mean(0).numpy(),
        snippet_scores=snippet_scores / protocol.num_crops,
        snippet_logits=snippet_logits.numpy(),
        appearance=np.concatenate(
            [captured[point].mean(0).flatten().numpy() for point in network.appearance_points]
        ),
        kernels=tuple(
            Kernel(block, captured[f"{block}.hook_kernel"].numpy(), module.channels)
            for block, module in network.named_modules()
            if isinstance(module, DSA)
        ),
        dependencies=next((module.dependencies for module in selecting.values()), ()),
        dependency_weights={
            block: captured[f"{block}.hook_dependency_weights"].numpy() for block in selecting
        },
        selections=tuple(
            _selection(block, module, captured) for block, module in selecting.items() if selections
        ),
    )


def _selection(block: str, module: SDA, captured: Captured) -> Selection:
    responses = [
        captured[f"{block}.mdm.{place}.hook_response"].numpy()  # (views, 2, t, h, w)
        for place in range(len(module.dependencies))
    ]
    return Selection(
        block=block,
        dependencies=module.dependencies,
        aggregation="avg" if module.query is None else "sec",
        weights=captured[f"{block}.hook_dependency_weights"].numpy(),
        energy=np.stack([response[:, 1].mean((1, 2, 3)) for response in responses], -1),
        gate=_half(captured[f"{block}.hook_gate"].numpy()),
        average_gate=_half(captured[f"{block}.hook_average_gate"].numpy()),
        responses=tuple(_half(response[:, 0]) for response in responses),
    )


def rows_per_batch(clips: Tensor, device: torch.device | None = None) -> int:
    """Number of clips of a batch (N, U, 3, T, H, W) that one forward takes within bounded memory:
    on a GPU by the memory free there. device: None for the device of the clips."""
    device = device or clips.device
    pixels = PIXELS_PER_BATCH
    if device.type == "cuda":
        pixels = free_bytes(device) // 2 // GPU_BYTES_PER_PIXEL
    return max(1, pixels // (clips[0].numel() // 3))


def _on_device(batches: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
    """The batches on the network's device. On a GPU the next batch is copied, from pinned memory
    and in a stream of its own, while the network runs on this one."""
    if device.type != "cuda":
        yield from batches
        return
    working = torch.cuda.current_stream(device)
    travelling = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(batch: Tensor) -> Tensor:
        with torch.cuda.stream(travelling):
            return batch.pin_memory().to(device, non_blocking=True)

    ahead = send(batches[0])
    for following in [*batches[1:], None]:
        working.wait_stream(travelling)
        batch = ahead
        batch.record_stream(working)
        if following is not None:
            ahead = send(following)
        yield batch


def _half(maps: Array) -> Array:
    """Half precision: maps are only displayed, and a large network has many."""
    return maps.clip(max=np.finfo(np.float16).max).astype(np.float16)


def protocol_of(network: VideoNetwork) -> Protocol:
    """The test protocol that travels with a network. Raises ModelError if it has no spec."""
    if network.spec is None:
        raise ModelError("a network without a spec", "one of the zoo", "Use create_model().")
    protocol: Protocol = network.spec.protocol
    return protocol


def category_index(network: VideoNetwork, category: int | str) -> int:
    """The class index of a category, given by it or by name. Raises ModelError."""
    classes: tuple[str, ...] = network.spec.classes
    if isinstance(category, str) and category in classes:
        return classes.index(category)
    if isinstance(category, int) and 0 <= category < len(classes):
        return category
    raise ModelError(
        f"category {category!r}",
        f"one of the {len(classes)} of {network.spec.name}, such as {classes[0]!r}",
        "Choose one of its categories.",
    )


_macs: WeakKeyDictionary[VideoNetwork, int] = WeakKeyDictionary()


def describe_model(network: VideoNetwork) -> Model:
    """Identity of a network. Weights that were not loaded are "random", their sha256 is that of
    the parameters as they are now."""
    if network not in _macs:
        _macs[network] = complexity(network).macs
    loaded = network.weights if isinstance(network.weights, Weights) else None
    return Model(
        name=network.spec.name,
        weights=loaded.file if loaded else "random",
        weights_sha256=loaded.sha256 if loaded else _sha256(network),
        trained_on=loaded.trained_on if loaded else "",
        classes=network.spec.classes,
        params=sum(p.numel() for p in network.parameters()),
        macs=_macs[network],
        consensus=network.spec.consensus,
    )


def make_thumbnails(clips: Clips) -> Array:
    """Thumbnails (snippets, frames, h, w, 3) uint8 of the frames of each snippet, short side at
    most 112 pixels."""
    from torchvision.transforms.v2 import functional as tv

    height, width = clips.frames.rgb.shape[1:3]
    short, long = sorted((height, width))
    scale = min(1.0, THUMBNAIL_SIDE / short, THUMBNAIL_LONG_SIDE / long)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    used, position = np.unique(clips.position, return_inverse=True)
    frames = torch.from_numpy(clips.frames.rgb).permute(0, 3, 1, 2)
    frames = frames if len(used) == len(frames) else frames[torch.from_numpy(used)]
    small = tv.resize(frames, size, antialias=True).permute(0, 2, 3, 1).numpy()
    return np.asarray(small[position.reshape(clips.position.shape)])


def _precision(protocol: Protocol, device: torch.device) -> AbstractContextManager[object]:
    if protocol.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, protocol.precision))


@contextmanager
def _timed(step: str, seconds: dict[str, float], report: StepProgress) -> Iterator[None]:
    report(step, 0.0)
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start
    report(step, 1.0)


def _sha256(network: VideoNetwork) -> str:
    digest = hashlib.sha256()
    for key, value in network.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
