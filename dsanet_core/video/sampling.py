"""Which frames of a video a network is shown. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsanet_core.records import Sampling

IntArray = NDArray[np.int64]


def snippet_span(sampling: Sampling) -> int:
    """Frames from the first to the last frame of a snippet, both counted."""
    return (sampling.frames_per_snippet - 1) * sampling.frame_stride + 1


def snippet_indices(num_frames: int, sampling: Sampling) -> IntArray:
    """Frame indices (S, T) of the test-time snippets of a video of num_frames frames.

    Snippet i of S starts at floor(i d + d / 2) with d = (num_frames - span) / S: the middle of the
    i-th of S equal parts of the range of starts, as the test mode of MMAction2's SampleFrames
    does; here a snippet ends with its last frame and not one stride later. A video shorter than
    one snippet gives S equal snippets, filled up by `sampling.policy`.
    """
    _check(num_frames)
    step = max(num_frames - snippet_span(sampling), 0) / sampling.num_snippets
    starts = np.floor((np.arange(sampling.num_snippets) + 0.5) * step).astype(np.int64)
    return _frames_from(starts, num_frames, sampling)


def random_snippet_indices(
    num_frames: int, sampling: Sampling, rng: np.random.Generator
) -> IntArray:
    """Frame indices (U, T) of one training draw: a random snippet from each segment.

    The starts at which a whole snippet fits are divided into U = `sampling.num_snippets` equal
    parts and one start is drawn uniformly from each (DSANet, section 4.2). A video too short for
    U different starts repeats some.
    """
    _check(num_frames)
    num_starts = max(num_frames - snippet_span(sampling) + 1, 1)
    segment = np.arange(sampling.num_snippets) + rng.random(sampling.num_snippets)
    starts = np.floor(segment * (num_starts / sampling.num_snippets)).astype(np.int64)
    return _frames_from(np.minimum(starts, num_starts - 1), num_frames, sampling)


def _frames_from(starts: IntArray, num_frames: int, sampling: Sampling) -> IntArray:
    offsets = np.arange(sampling.frames_per_snippet, dtype=np.int64) * sampling.frame_stride
    indices: IntArray = starts[:, None] + offsets
    if sampling.policy == "loop":
        return indices % num_frames
    return np.minimum(indices, num_frames - 1)


def _check(num_frames: int) -> None:
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; expected at least 1")
