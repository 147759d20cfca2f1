"""Untrimmed videos: Multi-scale Temporal Window Integration, M-TWI.

TSN (Wang et al., TPAMI 2018), the section on untrimmed video; DSANet, Table 5, reports it on
ActivityNet. Snippets at a fixed rate are scored one by one; windows of several lengths slide over
their scores, so that what fills a second counts as well as what fills a quarter of a minute, and
background does not drown it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dsanet_core.analysis import StepProgress, describe_model, protocol_of, run_network
from dsanet_core.checkpoints import load_model
from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Clips, Model, Protocol, Sampling, Video, best_of
from dsanet_core.video import read_clips, to_tensor
from dsanet_core.zoo import with_protocol

WINDOW_LENGTHS = (1, 2, 4, 8, 16)
"""Snippets, which are seconds at the papers' rate of one per second."""
FEWEST_WINDOWS = 15
FRAMES_AT_ONCE = 128
"""Decoded frames that are held at a time, however long the video is."""

Read = Callable[[Sampling, tuple[int, int] | None], Clips]
"""A video as `read_clips` gives it: a sampling, and (start, stop) of its snippets or all."""


@dataclass(frozen=True)
class UntrimmedAnalysis:
    """Prediction of one network for a long video.

    protocol: its num_snippets follows from the length of the video; group_size: snippets of
    one forward, which are consecutive here. pts_seconds: (snippets, frames) of the frames of
    each snippet. snippet_scores: (snippets, classes) softmax of each snippet's logits, averaged
    over crops; where the network mixes snippets, those of a forward share its scores.
    video_scores: (classes,) softmax of the logits integrated over windows.
    """

    video: Video
    model: Model
    protocol: Protocol
    pts_seconds: Array
    snippet_scores: Array
    video_scores: Array

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k best (category, probability) of the video, best first."""
        return best_of(self.model.classes, self.video_scores, k)

    def describe(self) -> str:
        """One line for captions, beside that of the network's own protocol."""
        return describe_untrimmed(self.protocol)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the protocol also in words."""
        return {
            "video": asdict(self.video),
            "model": asdict(self.model),
            "protocol": asdict(self.protocol) | {"in_words": self.describe()},
            "pts_seconds": self.pts_seconds.tolist(),
            "snippet_scores": self.snippet_scores.tolist(),
            "video_scores": self.video_scores.tolist(),
        }


def describe_untrimmed(protocol: Protocol, snippets: str = "") -> str:
    """A protocol of consecutive snippets in words; snippets: instead of their number."""
    sampling, size = protocol.sampling, protocol.group_size
    return (
        f"{snippets or f'{sampling.num_snippets} snippets'} x {sampling.frames_per_snippet} "
        f"frame{'s' if sampling.frames_per_snippet > 1 else ''}, stride {sampling.frame_stride}"
        f"{f', {size} consecutive ones together' if size > 1 else ''}; "
        f"{'centre crop' if protocol.num_crops == 1 else '3 crops'}, input {protocol.side}x"
        f"{protocol.side}; M-TWI over windows of {', '.join(map(str, WINDOW_LENGTHS))} snippets; "
        f"{protocol.precision}"
    )


def integrate_windows(scores: Array) -> Array:
    """Scores (snippets, classes) of a video, any scale, to (classes,): M-TWI.

    For each length l of 1, 2, 4, 8 and 16 snippets: windows start every 0.8 l snippets (rounded
    up, as the authors' code does; the last ones may be shorter), each takes the maximum of every
    class inside, and the K best of the N windows of each class are averaged, K = max(15, N / 4) or
    all if they are fewer. The mean over the lengths is the result.
    Raises ValueError for scores that are not (snippets, classes) of at least one snippet.
    """
    if scores.ndim != 2 or len(scores) == 0:
        raise ValueError(f"scores are {scores.shape}; expected (snippets, classes)")
    of_lengths = []
    for length in WINDOW_LENGTHS:
        starts = range(0, len(scores), -(-4 * length // 5))
        windows = np.stack([scores[start : start + length].max(0) for start in starts])  # (N, C)
        best = max(FEWEST_WINDOWS, len(windows) // 4)
        of_lengths.append(np.sort(windows, axis=0)[-best:].mean(0))
    return np.asarray(np.mean(of_lengths, axis=0))


def analyze_untrimmed(
    video: str | Path,
    model: str | Path | VideoNetwork,
    *,
    per_second: float = 1.0,
    device: str = "auto",
    progress: StepProgress | None = None,
) -> UntrimmedAnalysis:
    """Run a network over a video of any length: `per_second` snippets a second, then M-TWI.

    Snippets have the frames, stride, crops and size of the network's own protocol. Where snippets
    meet in the network (DSA, SDA, a shift, ...) it sees consecutive stretches of as many as it was
    made for, and there are a few more snippets where the number does not divide; its answer to a
    stretch stands for each of its snippets. At most 128 frames (or one stretch) are held at a time.
    Raises VideoError, CheckpointError, or ModelError for a rate that is none.
    """
    network = model if isinstance(model, VideoNetwork) else load_model(model, device)

    def read(sampling: Sampling, part: tuple[int, int] | None) -> Clips:
        return read_clips(video, sampling, part=part)

    return score_untrimmed(read, network, per_second=per_second, progress=progress)


def score_untrimmed(
    read: Read,
    network: VideoNetwork,
    *,
    per_second: float = 1.0,
    progress: StepProgress | None = None,
) -> UntrimmedAnalysis:
    """As `analyze_untrimmed`, of a video that `read` gives."""
    if not 0 < per_second < np.inf:
        raise ModelError(
            f"{per_second} snippets per second", "a number above 0", "The papers take 1."
        )
    video = read(Sampling(1, 1, 1), None).frames.video
    protocol = untrimmed_protocol(network, round(video.duration_seconds * per_second))
    count, unit = protocol.sampling.num_snippets, protocol.group_size
    step = unit * max(1, FRAMES_AT_ONCE // (unit * protocol.sampling.frames_per_snippet))
    times, logits = [], []
    for start in range(0, count, step):
        clips = read(protocol.sampling, (start, min(start + step, count)))
        times.append(clips.pts_seconds)
        logits.append(_logits(clips, replace(protocol, sampling=clips.sampling), network))
        if progress is not None:
            progress("network", min(1.0, (start + step) / count))
    scores = np.concatenate(logits)  # (snippets, crops, classes)
    return UntrimmedAnalysis(
        video=video,
        model=describe_model(network),
        protocol=protocol,
        pts_seconds=np.concatenate(times),
        snippet_scores=_softmax(scores).mean(1),
        video_scores=_softmax(integrate_windows(scores.mean(1))),
    )


def untrimmed_protocol(network: VideoNetwork, num_snippets: int) -> Protocol:
    """The network's own protocol with (at least) so many snippets, consecutive ones together where
    they meet in the network, one by one where they do not."""
    own = protocol_of(network)
    unit = 1 if network.spec.consensus == "average" else own.group_size
    count = max(1, -(-num_snippets // unit)) * unit
    return replace(own, sampling=replace(own.sampling, num_snippets=count), group_size=unit)


def _logits(clips: Clips, protocol: Protocol, network: VideoNetwork) -> Array:
    """(snippets, crops, classes) logits of consecutive snippets."""
    groups, unit = protocol.num_groups, protocol.group_size
    # The protocol's groups interleave: dealt out like this, each holds consecutive snippets.
    dealt = np.arange(groups * unit).reshape(groups, unit).T.ravel()
    clips = replace(clips, position=clips.position[dealt])
    output = run_network(with_protocol(network, protocol), to_tensor(clips, protocol))
    logits = output.snippet_logits  # (crops * groups, unit, classes)
    if unit > 1:
        logits = np.broadcast_to(logits.mean(1, keepdims=True), logits.shape)
    by_crop = logits.reshape(protocol.num_crops, groups * unit, -1)
    return np.asarray(by_crop.transpose(1, 0, 2))


def _softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))
